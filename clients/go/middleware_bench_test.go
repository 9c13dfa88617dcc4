package sessiond_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	sessiond "github.com/sessiond/sessiond/clients/go"
	sessiondv1 "github.com/sessiond/sessiond/gen/go/sessiond/v1"
)

// callsPerRound is the number of calls of each kind before the other kind has its turn.
const callsPerRound = 20

// BenchmarkMiddleware measures what Required adds to a bare Validate that touches: rounds of both take
// turns, and the medians of the rounds' ratio and difference count.
//
//	go test -run '^$' -bench Middleware -benchtime 200x
func BenchmarkMiddleware(b *testing.B) {
	client, err := sessiond.Connect(running.URL)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = client.Close() })
	created, err := client.Create(b.Context(), &sessiondv1.CreateRequest{
		Actor: &sessiondv1.ActorRef{ActorType: "user", ActorId: "alice"},
	})
	if err != nil {
		b.Fatal(err)
	}
	cookies := created.SetCookies[0].Name + "=" + created.Cookie
	bare := func() error {
		_, err := client.Validate(b.Context(), &sessiondv1.ValidateRequest{
			Credential: &sessiondv1.ValidateRequest_CookieHeader{CookieHeader: cookies},
			Touch:      true,
		})
		return err
	}
	handler := sessiond.NewSessions(client).Required(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }),
	)
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request.Header.Set("Cookie", cookies)
	withMiddleware := func() error {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		if recorder.Code != http.StatusNoContent {
			b.Fatalf("status %d: %s", recorder.Code, recorder.Body)
		}
		return nil
	}

	var ratios, differences []float64
	for b.Loop() {
		plain, wrapped := perCall(b, bare), perCall(b, withMiddleware)
		ratios = append(ratios, float64(wrapped)/float64(plain))
		differences = append(differences, float64(wrapped-plain)/float64(time.Microsecond))
	}
	b.ReportMetric(median(ratios), "times-bare")
	b.ReportMetric(median(differences), "µs-more")
}

func perCall(b *testing.B, call func() error) time.Duration {
	start := time.Now()
	for range callsPerRound {
		if err := call(); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start) / callsPerRound
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
