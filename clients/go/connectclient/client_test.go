package connectclient_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"connectrpc.com/connect"
	sessiond "github.com/sessiond/sessiond/clients/go"
	"github.com/sessiond/sessiond/clients/go/connectclient"
	"github.com/sessiond/sessiond/clients/go/sessiondtest"
	sessiondv1 "github.com/sessiond/sessiond/gen/go/sessiond/v1"
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
	serve := func(handler http.HandlerFunc) string {
		server := httptest.NewUnstartedServer(handler)
		server.Config.Protocols = new(http.Protocols)
		server.Config.Protocols.SetUnencryptedHTTP2(true)
		server.Start()
		t.Cleanup(server.Close)
		return server.URL
	}
	other := serve(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") })
	redirecting := serve(func(w http.ResponseWriter, r *http.Request) {
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
