package connectclient_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	sessiond "github.com/sessiond/sessiond/clients/go"
	"github.com/sessiond/sessiond/clients/go/connectclient"
	"github.com/sessiond/sessiond/clients/go/sessiondtest"
	sessiondv1 "github.com/sessiond/sessiond/gen/go/sessiond/v1"
	"google.golang.org/grpc/codes"
)

// Each protocol of connect-go has the same errors. The other tests are in package sessiond, for both
// clients.
func TestProtocols(t *testing.T) {
	server := sessiondtest.New(t)
	for name, option := range map[string]connect.ClientOption{
		"Connect":           connect.WithClientOptions(),
		"Connect with JSON": connect.WithProtoJSON(),
		"gRPC":              connect.WithGRPC(),
		"gRPC-Web":          connect.WithGRPCWeb(),
	} {
		t.Run(name, func(t *testing.T) {
			client, err := connectclient.Connect(server.URL, sessiond.WithTimeout(time.Hour), connectclient.WithClientOptions(option))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			actor := &sessiondv1.ActorRef{ActorType: "user", ActorId: "alice"}
			created, err := client.Create(t.Context(), connect.NewRequest(&sessiondv1.CreateRequest{Actor: actor}))
			if err != nil {
				t.Fatal(err)
			}
			cookie := &sessiondv1.ValidateRequest_Cookie{Cookie: created.Msg.GetCookie()}
			if _, err := client.Validate(t.Context(), connect.NewRequest(&sessiondv1.ValidateRequest{Credential: cookie})); err != nil {
				t.Error(err)
			}
			_, err = client.Validate(t.Context(), connect.NewRequest(&sessiondv1.ValidateRequest{}))
			if !sessiond.IsReason(err, sessiond.ReasonInvalidCookie) || connect.CodeOf(err) != connect.CodeUnauthenticated {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A redirect would send the cookie and the token to another server.
func TestRedirectsAreNotFollowed(t *testing.T) {
	other := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") })
	redirecting := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other+r.URL.Path, http.StatusTemporaryRedirect)
	})
	client, err := connectclient.Connect(redirecting, sessiond.WithToken("token"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	cookie := &sessiondv1.ValidateRequest_Cookie{Cookie: "v1.any"}
	_, err = client.Validate(t.Context(), connect.NewRequest(&sessiondv1.ValidateRequest{Credential: cookie}))
	if sessiond.ErrorFrom(err).BrowserStatus() != http.StatusServiceUnavailable {
		t.Errorf("got %v", err)
	}
}

// net/http's HTTP/2 reports some broken connections as a cancelled stream.
func TestCancellationThatIsNotTheCallersIsAnOutage(t *testing.T) {
	var calls atomic.Int32
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(499)
		_, _ = io.WriteString(w, `{"code":"canceled"}`)
	})
	client, err := connectclient.Connect(server, sessiond.WithTimeout(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, err = client.Validate(t.Context(), connect.NewRequest(&sessiondv1.ValidateRequest{}))
	if code := sessiond.ErrorFrom(err).Code; code != codes.Unavailable || calls.Load() != 3 {
		t.Errorf("%v after %d calls", code, calls.Load())
	}
}

// serve starts a server of HTTP/2 without TLS and returns its address.
func serve(t *testing.T, handler http.HandlerFunc) string {
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}
