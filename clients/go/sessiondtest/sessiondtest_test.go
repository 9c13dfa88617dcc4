package sessiondtest_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sessiond "github.com/sessiond/sessiond/clients/go"
	"github.com/sessiond/sessiond/clients/go/sessiondtest"
	sessiondv1 "github.com/sessiond/sessiond/gen/go/sessiond/v1"
)

func TestStart(t *testing.T) {
	temporary := t.TempDir()
	// PostgreSQL must reach its data as another user.
	for directory := temporary; strings.HasPrefix(directory, os.TempDir()+"/"); directory = filepath.Dir(directory) {
		if err := os.Chmod(directory, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("TMPDIR", temporary)
	t.Setenv("SESSIOND_COOKIE_SECURE", "true")
	server, err := sessiondtest.Start(sessiondtest.WithCookieSecure(false), sessiondtest.WithSetting("SESSIOND_IDLE_TIMEOUT", "7m"))
	if err != nil {
		t.Fatal(err)
	}
	created, err := server.Client.Create(t.Context(), &sessiondv1.CreateRequest{
		Actor: &sessiondv1.ActorRef{ActorType: "user", ActorId: "alice"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if idle := created.GetSession().GetIdleExpiresAt().AsTime().Sub(created.GetSession().GetCreatedAt().AsTime()); idle.Minutes() != 7 {
		t.Errorf("the idle timeout is %s", idle)
	}
	if name := created.GetSetCookies()[0].GetName(); name != "session" {
		t.Errorf("the cookie is %s", name)
	}
	for range 2 {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}
	if response, err := http.Get(server.URL); err == nil {
		_ = response.Body.Close()
		t.Error("it still serves")
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) != 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

func TestCommandThatFails(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	for name, test := range map[string]struct {
		option sessiondtest.Option
		says   string
	}{
		"prints an error": {sessiondtest.WithCommand("sh", "-c", "echo the port is taken >&2; exit 1"), "the port is taken"},
		"does not exist":  {sessiondtest.WithCommand("/nonexistent/sessiond"), "/nonexistent/sessiond"},
		"bad setting":     {sessiondtest.WithSetting("SESSIOND_IDLE_TIMEOUT", "soon"), "SESSIOND_IDLE_TIMEOUT"},
	} {
		t.Run(name, func(t *testing.T) {
			server, err := sessiondtest.Start(test.option)
			if err == nil {
				_ = server.Stop()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("the error does not say %q: %v", test.says, err)
			}
		})
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) != 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

func TestNew(t *testing.T) {
	var url string
	t.Run("running", func(t *testing.T) {
		server := sessiondtest.New(t)
		url = server.URL
		_, err := server.Client.Validate(t.Context(), &sessiondv1.ValidateRequest{})
		if !sessiond.IsReason(err, sessiond.ReasonInvalidCookie) {
			t.Errorf("got %v", err)
		}
	})
	if response, err := http.Get(url); err == nil {
		_ = response.Body.Close()
		t.Error("it was not stopped")
	}
}
