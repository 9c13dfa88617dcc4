package sessiond_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	sessiond "github.com/sessiond/sessiond/clients/go"
	sessiondv1 "github.com/sessiond/sessiond/gen/go/sessiond/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// recorder is a service that records requests and answers with err, or else successfully.
type recorder struct {
	err       error
	validates []*sessiondv1.ValidateRequest
	creates   []*sessiondv1.CreateRequest
	revokes   []*sessiondv1.RevokeRequest
	empty     bool                    // succeeds with messages without fields
	cookies   []*sessiondv1.SetCookie // nil: oddCookies
}

func (s *recorder) setCookies() []*sessiondv1.SetCookie {
	if s.cookies != nil {
		return s.cookies
	}
	return oddCookies
}

func (s *recorder) calls() int { return len(s.validates) + len(s.creates) + len(s.revokes) }

var oddCookies = []*sessiondv1.SetCookie{
	{Header: `__Host-session=a"b c\; Path=/; Odd="ü"`},
	{Header: "csrf=; Max-Age=0"},
}

func (s *recorder) Validate(_ context.Context, r *sessiondv1.ValidateRequest, _ ...grpc.CallOption) (*sessiondv1.ValidateResponse, error) {
	s.validates = append(s.validates, r)
	if s.empty {
		return &sessiondv1.ValidateResponse{}, nil
	}
	return &sessiondv1.ValidateResponse{Session: session, SecondsLeft: 60}, s.err
}

func (s *recorder) Create(_ context.Context, r *sessiondv1.CreateRequest, _ ...grpc.CallOption) (*sessiondv1.CreateResponse, error) {
	s.creates = append(s.creates, r)
	if s.empty {
		return &sessiondv1.CreateResponse{}, nil
	}
	return &sessiondv1.CreateResponse{Session: session, CsrfToken: "new", SetCookies: s.setCookies()}, s.err
}

func (s *recorder) Revoke(_ context.Context, r *sessiondv1.RevokeRequest, _ ...grpc.CallOption) (*sessiondv1.RevokeResponse, error) {
	s.revokes = append(s.revokes, r)
	if s.empty {
		return &sessiondv1.RevokeResponse{}, nil
	}
	return &sessiondv1.RevokeResponse{Session: session, Revoked: true, SetCookies: s.setCookies()}, s.err
}

func denied(t testing.TB, code codes.Code, reason sessiondv1.ErrorReason, status uint32) error {
	return flavours["grpc"](t, code, "the message", detail(reason, status))
}

func noLog() sessiond.SessionsOption {
	return sessiond.WithErrorHandler(func(context.Context, string, string, *sessiond.Error) {})
}

// whoami says who is logged in.
var whoami = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	name := "nobody"
	if found, ok := sessiond.FromContext(r.Context()); ok {
		name = found.GetSession().GetActorId()
	}
	_, _ = io.WriteString(w, name)
})

func request(method, path, body string, header ...string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func serve(handler http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

func TestWhatIsSent(t *testing.T) {
	service := &recorder{}
	sessions := sessiond.NewSessions(service)
	r := request("GET", "/", "", "Cookie", "a=1", "Cookie", "b=\xff", "User-Agent", "curl\xff", "X-CSRF-Token", "token")
	r.RemoteAddr = "[fe80::1%eth0]:80"
	if got := serve(sessions.Required(whoami), r); got.Code != 200 || got.Body.String() != "alice" {
		t.Errorf("got %d %s", got.Code, got.Body)
	}
	want := &sessiondv1.ValidateRequest{
		Credential: &sessiondv1.ValidateRequest_CookieHeader{CookieHeader: "a=1; b=\uFFFD"},
		Touch:      true, IpAddress: "fe80::1", UserAgent: "curl\uFFFD", HttpMethod: new("GET"),
	}
	if len(service.validates) != 1 || !proto.Equal(service.validates[0], want) {
		t.Errorf("sent %v", service.validates)
	}
}

// sessiond requires the token by the method. An older one checks it if it is sent.
func TestMethodAndCSRFTokenAreSent(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "TRACE", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "get"} {
		safe := strings.Contains("GET HEAD OPTIONS TRACE", method)
		for name, middleware := range map[string]func(*sessiond.Sessions) http.Handler{
			"required": func(s *sessiond.Sessions) http.Handler { return s.Required(whoami) },
			"optional": func(s *sessiond.Sessions) http.Handler { return s.Optional(whoami) },
		} {
			service := &recorder{}
			serve(middleware(sessiond.NewSessions(service)), request(method, "/", "", "Cookie", "a=1"))
			if len(service.validates) != 1 {
				t.Fatalf("%s %s: %d calls", name, method, len(service.validates))
			}
			if token := service.validates[0].CsrfToken; (token == nil) != safe || token != nil && *token != "" {
				t.Errorf("%s %s: token %v", name, method, token)
			}
			if got := service.validates[0].GetHttpMethod(); got != method {
				t.Errorf("%s %s: sent the method %q", name, method, got)
			}
		}
	}
}

func TestOptionsOfTheMiddleware(t *testing.T) {
	service := &recorder{}
	sessions := sessiond.NewSessions(service,
		sessiond.WithTenant("acme"), sessiond.WithCSRFHeader("X-XSRF"),
		sessiond.WithClientIP(func(r *http.Request) string { return r.Header.Get("X-Real-IP") }))
	serve(sessions.Required(whoami), request("POST", "/", "", "Cookie", "a=1", "X-XSRF", "token", "X-Real-IP", "192.0.2.7"))
	serve(sessions.Required(whoami), request("POST", "/", "", "Cookie", "a=1", "X-Real-IP", "192.0.2.7:80"))
	first, second := service.validates[0], service.validates[1]
	if first.GetTenantId() != "acme" || first.GetCsrfToken() != "token" || first.GetIpAddress() != "192.0.2.7" {
		t.Errorf("sent %v", first)
	}
	if second.GetIpAddress() != "" {
		t.Errorf("sent %v", second)
	}
}

func TestEmptyTenant(t *testing.T) {
	service := &recorder{}
	sessions := sessiond.NewSessions(service, noLog(), sessiond.WithTenantFunc(func(*http.Request) string { return "" }))
	helper := func(help func(w http.ResponseWriter, r *http.Request) error) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := help(w, r); err != nil {
				sessions.Refuse(w, r, err)
			}
		})
	}
	for name, handler := range map[string]http.Handler{
		"required": sessions.Required(whoami),
		"optional": sessions.Optional(whoami),
		"StartLogin": helper(func(w http.ResponseWriter, r *http.Request) error {
			_, err := sessions.StartLogin(w, r)
			return err
		}),
		"CheckLogin": helper(func(_ http.ResponseWriter, r *http.Request) error { return sessions.CheckLogin(r) }),
		"LogIn": helper(func(w http.ResponseWriter, r *http.Request) error {
			_, err := sessions.LogIn(w, r, sessiond.Login{ActorID: "alice"})
			return err
		}),
		"LogOut": helper(func(w http.ResponseWriter, r *http.Request) error {
			_, err := sessions.LogOut(w, r)
			return err
		}),
	} {
		if got := serve(handler, request("GET", "/", "", "Cookie", "csrf=1")); got.Code != 500 {
			t.Errorf("%s: %d %s", name, got.Code, got.Body)
		}
	}
	if service.calls() != 0 {
		t.Error("a call was made")
	}
}

func TestNoCookie(t *testing.T) {
	service := &recorder{}
	sessions := sessiond.NewSessions(service)
	got := serve(sessions.Required(whoami), request("GET", "/", ""))
	want := `{"title":"Unauthorized","status":401,"reason":"INVALID_COOKIE","detail":"the session cookie is missing or not valid"}`
	if got.Code != 401 || got.Body.String() != want {
		t.Errorf("got %d %s", got.Code, got.Body)
	}
	if got := serve(sessions.Optional(whoami), request("POST", "/", "")); got.Body.String() != "nobody" {
		t.Errorf("got %d %s", got.Code, got.Body)
	}
	if service.calls() != 0 {
		t.Error("a call was made")
	}
}

func TestRefusals(t *testing.T) {
	const outage = `"detail":"sessions are unavailable at the moment; try again later"`
	for _, test := range []struct {
		name       string
		err        error
		status     int
		retryAfter string
		says       []string
		passes     bool // with Optional
	}{
		{"revoked", denied(t, codes.Unauthenticated, sessiond.ReasonRevoked, 401), 401, "",
			[]string{`"title":"Unauthorized"`, `"reason":"REVOKED"`, `"detail":"the message"`}, true},
		{"CSRF", denied(t, codes.PermissionDenied, sessiond.ReasonCSRFMissing, 403), 403, "",
			[]string{`"reason":"CSRF_MISSING"`, `"detail":"the message"`}, false},
		{"overloaded", denied(t, codes.ResourceExhausted, sessiond.ReasonOverloaded, 429), 429, "1",
			[]string{`"reason":"OVERLOADED"`, `"detail":"the message"`}, false},
		{"storage", denied(t, codes.Unavailable, sessiond.ReasonStorageUnavailable, 503), 503, "1",
			[]string{`"reason":"STORAGE_UNAVAILABLE"`, outage}, false},
		{"caller", denied(t, codes.Unauthenticated, sessiond.ReasonCallerUnauthenticated, 401), 500, "",
			[]string{`"reason":"CALLER_UNAUTHENTICATED"`, `"detail":"the server failed to process the request"`}, false},
		{"unknown reason", denied(t, codes.Unauthenticated, 4711, 401), 401, "", []string{`"reason":"4711"`}, true},
		{"status without a phrase", denied(t, codes.Unauthenticated, 4711, 499), 499, "", []string{`"title":"Error"`}, false},
		{"no detail", flavours["grpc"](t, codes.Unauthenticated, "10.0.0.1 says no"), 503, "1",
			[]string{`"title":"Service Unavailable"`, `"reason":"SERVICE_UNAVAILABLE"`, outage}, false},
		{"deadline", context.DeadlineExceeded, 503, "1", []string{`"reason":"SERVICE_UNAVAILABLE"`, outage}, false},
		{"empty answer", nil, 503, "1", []string{`"reason":"SERVICE_UNAVAILABLE"`, outage}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			service := &recorder{err: test.err, empty: test.err == nil}
			var failures []*sessiond.Error
			sessions := sessiond.NewSessions(service, sessiond.WithErrorHandler(func(_ context.Context, _, _ string, err *sessiond.Error) {
				failures = append(failures, err)
			}))
			r := request("POST", "/", "", "Cookie", "a=1")
			got := serve(sessions.Required(whoami), r)
			header := got.Result().Header
			if got.Code != test.status || header.Get("Retry-After") != test.retryAfter ||
				header.Get("Content-Type") != "application/problem+json" || header.Get("Cache-Control") != "no-store" {
				t.Errorf("got %d %v", got.Code, header)
			}
			if cookies := header.Values("Set-Cookie"); cookies != nil {
				t.Errorf("cookies %q", cookies)
			}
			var fields map[string]any
			if err := json.Unmarshal(got.Body.Bytes(), &fields); err != nil || len(fields) != 4 || fields["status"] != float64(test.status) {
				t.Errorf("body %s", got.Body)
			}
			for _, says := range test.says {
				if !strings.Contains(got.Body.String(), says) {
					t.Errorf("%s does not have %s", got.Body, says)
				}
			}
			if test.status < 500 && len(failures) != 0 || test.status >= 500 && len(failures) != 1 {
				t.Errorf("the error handler got %v", failures)
			}
			optional := serve(sessions.Optional(whoami), r)
			if passes := optional.Body.String() == "nobody"; passes != test.passes || !passes && optional.Code != test.status {
				t.Errorf("Optional: %d %s", optional.Code, optional.Body)
			}
		})
	}
}

// What a handler can print of a failure has none of the request's secrets.
func TestFailuresAreLoggedWithoutSecrets(t *testing.T) {
	var logged bytes.Buffer
	previous := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
	defer slog.SetDefault(previous)
	for name, opts := range map[string][]sessiond.SessionsOption{
		"default": nil,
		"own": {sessiond.WithErrorHandler(func(ctx context.Context, method, path string, err *sessiond.Error) {
			slog.Error("failed", "method", method, "path", path, "error", err, "everything", fmt.Sprintf("%+v %+v", ctx, err))
		})},
	} {
		logged.Reset()
		sessions := sessiond.NewSessions(&recorder{err: errors.New("outage")}, opts...)
		serve(sessions.Required(whoami), request("POST", "/pay?ticket=secret", "", "Cookie", "session=secret", "X-CSRF-Token", "secret"))
		got := logged.String()
		if strings.Contains(got, "secret") || !strings.Contains(got, "method=POST path=/pay") || !strings.Contains(got, "outage") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestBrowserHasGone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	sessions := sessiond.NewSessions(&recorder{err: context.Canceled}, sessiond.WithErrorHandler(func(_ context.Context, _, _ string, err *sessiond.Error) {
		t.Errorf("reported %v", err)
	}))
	serve(sessions.Required(whoami), request("GET", "/", "", "Cookie", "a=1").WithContext(ctx))
}

func TestRefusalHandler(t *testing.T) {
	sessions := sessiond.NewSessions(&recorder{}, sessiond.WithRefusalHandler(func(w http.ResponseWriter, r *http.Request, err *sessiond.Error) {
		if err.Reason != sessiond.ReasonInvalidCookie {
			t.Errorf("got %v", err)
		}
		http.Redirect(w, r, "/login", http.StatusSeeOther)
	}))
	if got := serve(sessions.Required(whoami), request("GET", "/", "")); got.Code != 303 {
		t.Errorf("got %d", got.Code)
	}
}

func TestNested(t *testing.T) {
	service := &recorder{}
	sessions := sessiond.NewSessions(service)
	serve(sessions.Optional(sessions.Required(whoami)), request("GET", "/", "", "Cookie", "a=1"))
	if service.calls() != 1 {
		t.Errorf("%d calls", service.calls())
	}
	other := sessiond.NewSessions(&recorder{err: denied(t, codes.Unauthenticated, sessiond.ReasonInvalidCookie, 401)}, sessiond.WithTenant("acme"))
	if got := serve(sessions.Required(other.Optional(whoami)), request("GET", "/", "", "Cookie", "a=1")); got.Body.String() != "nobody" {
		t.Errorf("the session of another tenant is shown: %s", got.Body)
	}
	if got := serve(sessions.Required(other.Required(whoami)), request("GET", "/", "", "Cookie", "a=1")); got.Code != 401 {
		t.Errorf("the session of another tenant is accepted: %s", got.Body)
	}
}

// A middleware in between can change what the inner one decides by.
func TestNestedOfAChangedRequest(t *testing.T) {
	service := &recorder{}
	tenant := sessiond.WithTenantFunc(func(r *http.Request) string { return r.Header.Get("Tenant") })
	sessions := sessiond.NewSessions(service, tenant)
	for name, change := range map[string]func(*http.Request){
		"method": func(r *http.Request) { r.Method = "DELETE" },
		"safe":   func(r *http.Request) { r.Method = "HEAD" },
		"tenant": func(r *http.Request) { r.Header.Set("Tenant", "other") },
	} {
		service.validates = nil
		changing := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			change(r)
			sessions.Required(whoami).ServeHTTP(w, r)
		})
		serve(sessions.Required(changing), request("GET", "/", "", "Cookie", "a=1", "Tenant", "acme"))
		if len(service.validates) != 2 {
			t.Fatalf("%s: %d calls", name, len(service.validates))
		}
		inner := service.validates[1]
		if method, other := inner.CsrfToken != nil, inner.GetTenantId() == "other"; method != (name == "method") || other != (name == "tenant") {
			t.Errorf("%s: sent %v", name, inner)
		}
		methods := service.validates[0].GetHttpMethod() + " " + inner.GetHttpMethod()
		if want := map[string]string{"method": "GET DELETE", "safe": "GET HEAD", "tenant": "GET GET"}[name]; methods != want {
			t.Errorf("%s: sent the methods %s, want %s", name, methods, want)
		}
	}
}

func TestTimeoutOfTheMiddleware(t *testing.T) {
	eachClient(t, func(t *testing.T, flavour string, connect connectFunc) {
		server := &scripted{script: func(ctx context.Context, _ int) *refusal {
			<-ctx.Done()
			return &refusal{code: codes.Internal}
		}}
		sessions := sessiond.NewSessions(connect(server.serve(t, flavour), sessiond.WithTimeout(20*time.Millisecond)), noLog())
		ctx, cancel := context.WithTimeout(t.Context(), longTimeout)
		defer cancel()
		got := serve(sessions.Required(whoami), request("GET", "/", "", "Cookie", "a=1").WithContext(ctx))
		if got.Code != 503 {
			t.Errorf("got %d %s", got.Code, got.Body)
		}
	})
}

func TestStartLogin(t *testing.T) {
	refused := denied(t, codes.PermissionDenied, sessiond.ReasonCSRFMismatch, 403)
	for _, test := range []struct {
		name, cookies string
		validate      error
		token         string
		creates       int
	}{
		{"no cookie", "", nil, "new", 1},
		{"other cookies", "a=1", nil, "new", 1},
		{"CSRF cookie", "csrf=old", nil, "old", 0},
		{"CSRF cookie with prefix", "csrf=other; __Host-csrf=old", nil, "old", 0},
		{"refused", "csrf=old", refused, "new", 1},
		{"outage", "csrf=old", context.DeadlineExceeded, "", 0},
		{"empty CSRF cookie", "csrf=", nil, "new", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			service := &validateFails{err: test.validate}
			sessions := sessiond.NewSessions(service, sessiond.WithTenant("acme"))
			r := request("GET", "/login", "")
			if test.cookies != "" {
				r.Header.Set("Cookie", test.cookies)
			}
			w := httptest.NewRecorder()
			token, err := sessions.StartLogin(w, r)
			if token != test.token || (err != nil) != (test.token == "") {
				t.Errorf("got %q, %v", token, err)
			}
			if len(service.creates) != test.creates || len(w.Result().Header["Set-Cookie"]) != 2*test.creates {
				t.Errorf("%d sessions, cookies %q", len(service.creates), w.Result().Header["Set-Cookie"])
			}
			for _, v := range service.validates {
				if !v.GetAcceptPreLogin() || v.GetCsrfToken() != "old" || v.GetTenantId() != "acme" || v.GetTouch() || v.GetHttpMethod() != "GET" {
					t.Errorf("validated %v", v)
				}
			}
			for _, c := range service.creates {
				if !c.GetPreLogin() || c.GetReplaces() != nil || c.GetActor().GetTenantId() != "acme" || c.GetIpAddress() != "192.0.2.1" {
					t.Errorf("created %v", c)
				}
			}
		})
	}
}

// validateFails is a recorder whose other calls succeed.
type validateFails struct {
	recorder
	err error
}

func (s *validateFails) Validate(ctx context.Context, r *sessiondv1.ValidateRequest, opts ...grpc.CallOption) (*sessiondv1.ValidateResponse, error) {
	response, _ := s.recorder.Validate(ctx, r, opts...)
	return response, s.err
}

func TestCSRFToken(t *testing.T) {
	for _, test := range []struct{ cookies, name, want string }{
		{"", "", ""},
		{"session=a; xcsrf=b; csrf", "", ""},
		{"csrf=plain; __Host-csrf=host", "", "host"},
		{"__Host-csrf=; csrf=plain", "", "plain"},
		{"csrf=; csrf=plain; csrf=other", "", "plain"},
		{"csrf=plain; token=own", "token", "own"},
		{"csrf=plain", "token", ""},
		{`csrf='><script>`, "", ""},
		{"__Host-csrf=a&b; csrf=plain", "", "plain"},
	} {
		var opts []sessiond.SessionsOption
		if test.name != "" {
			opts = append(opts, sessiond.WithCSRFCookie(test.name))
		}
		service := &recorder{}
		got := sessiond.NewSessions(service, opts...).CSRFToken(request("GET", "/", "", "Cookie", test.cookies))
		if got != test.want || service.calls() != 0 {
			t.Errorf("%q: %q, %d calls", test.cookies, got, service.calls())
		}
	}
	if got := sessiond.NewSessions(&recorder{}).CSRFToken(request("GET", "/", "", "Cookie", "a=1", "Cookie", "csrf=second")); got != "second" {
		t.Errorf("in the second header: %q", got)
	}
}

func TestCSRFCookieName(t *testing.T) {
	sessions := sessiond.NewSessions(&recorder{}, sessiond.WithCSRFCookie("xsrf"))
	token, err := sessions.StartLogin(httptest.NewRecorder(), request("GET", "/login", "", "Cookie", "csrf=no; xsrf=yes"))
	if token != "yes" || err != nil {
		t.Errorf("got %q, %v", token, err)
	}
}

func TestCheckLogin(t *testing.T) {
	service := &recorder{}
	sessions := sessiond.NewSessions(service)
	if err := sessions.CheckLogin(request("POST", "/login", "", "Cookie", "a=1")); err != nil {
		t.Error(err)
	}
	v := service.validates[0]
	if v.CsrfToken == nil || v.GetCsrfToken() != "" || !v.GetAcceptPreLogin() || v.GetTouch() || v.GetHttpMethod() != "POST" {
		t.Errorf("sent %v", v)
	}
	if err := sessions.CheckLogin(request("POST", "/login", "")); !sessiond.IsReason(err, sessiond.ReasonInvalidCookie) {
		t.Errorf("without a cookie: %v", err)
	}
}

func TestLogIn(t *testing.T) {
	service := &recorder{}
	sessions := sessiond.NewSessions(service, sessiond.WithTenant("acme"))
	w := httptest.NewRecorder()
	w.Header().Add("Set-Cookie", "own=1")
	result, err := sessions.LogIn(w, request("POST", "/login", "", "Cookie", "a=1", "User-Agent", "curl"), sessiond.Login{
		ActorID: "alice", AppType: "web", Metadata: map[string]string{"k": "v"}, IdleTimeout: time.Minute, AbsoluteTimeout: time.Hour,
	})
	if err != nil || result.CSRFToken != "new" || result.Session.GetActorId() != "alice" {
		t.Errorf("got %v, %v", result, err)
	}
	c := service.creates[0]
	if c.GetActor().GetTenantId() != "acme" || c.GetActor().GetActorType() != "user" || c.GetActor().GetActorId() != "alice" ||
		c.GetReplaces().GetCookieHeader() != "a=1" || c.GetReplaces().GetTenantId() != "acme" || c.GetUserAgent() != "curl" ||
		c.GetIpAddress() != "192.0.2.1" || c.GetAppType() != "web" || c.GetMetadata()["k"] != "v" ||
		c.GetIdleTimeout().GetSeconds() != 60 || c.GetAbsoluteTimeout().GetSeconds() != 3600 || c.GetPreLogin() {
		t.Errorf("sent %v", c)
	}
	want := []string{"own=1", oddCookies[0].Header, oddCookies[1].Header}
	if got := w.Result().Header["Set-Cookie"]; !reflect.DeepEqual(got, want) {
		t.Errorf("cookies %q", got)
	}
}

func TestLogOut(t *testing.T) {
	ended := denied(t, codes.Unauthenticated, sessiond.ReasonInvalidCookie, 401)
	for _, test := range []struct {
		name    string
		err     error
		revoked bool
		fails   bool
		cookies int
	}{
		{"live", nil, true, false, 2},
		{"ended", ended, false, false, 0},
		{"outage", context.DeadlineExceeded, false, true, 0},
	} {
		service := &recorder{err: test.err}
		w := httptest.NewRecorder()
		revoked, err := sessiond.NewSessions(service, sessiond.WithTenant("acme")).LogOut(w, request("POST", "/logout", "", "Cookie", "a=1"))
		if revoked != test.revoked || (err != nil) != test.fails || len(w.Result().Header["Set-Cookie"]) != test.cookies {
			t.Errorf("%s: %t, %v, cookies %q", test.name, revoked, err, w.Result().Header["Set-Cookie"])
		}
		if ref := service.revokes[0].GetSession(); ref.GetCookieHeader() != "a=1" || ref.GetTenantId() != "acme" {
			t.Errorf("%s: sent %v", test.name, ref)
		}
	}
	service := &recorder{}
	if revoked, err := sessiond.NewSessions(service).LogOut(httptest.NewRecorder(), request("POST", "/logout", "")); revoked || err != nil || service.calls() != 0 {
		t.Errorf("without a cookie: %t, %v", revoked, err)
	}
}

func TestEmptyAnswers(t *testing.T) {
	sessions := sessiond.NewSessions(&recorder{empty: true}, noLog())
	r := request("POST", "/", "", "Cookie", "csrf=1")
	w := httptest.NewRecorder()
	_, startLogin := sessions.StartLogin(w, r)
	_, logIn := sessions.LogIn(w, r, sessiond.Login{ActorID: "alice"})
	_, logOut := sessions.LogOut(w, r)
	for name, err := range map[string]error{
		"StartLogin": startLogin, "LogIn": logIn, "LogOut": logOut, "CheckLogin": sessions.CheckLogin(r),
	} {
		if e, ok := errors.AsType[*sessiond.Error](err); !ok || e.BrowserStatus() != 503 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if cookies := w.Result().Header["Set-Cookie"]; cookies != nil {
		t.Errorf("cookies %q", cookies)
	}
}

func TestCookiesThatCannotBeHeaders(t *testing.T) {
	for _, header := range []string{"a=1\r\nInjected: yes", "a=\x00", "a=\n", "a=\x7f"} {
		service := &recorder{cookies: []*sessiondv1.SetCookie{{Header: "good=1"}, {Header: header}}}
		sessions := sessiond.NewSessions(service)
		w := httptest.NewRecorder()
		r := request("POST", "/", "", "Cookie", "a=1")
		_, logIn := sessions.LogIn(w, r, sessiond.Login{ActorID: "alice"})
		_, logOut := sessions.LogOut(w, r)
		for name, err := range map[string]error{"LogIn": logIn, "LogOut": logOut} {
			if err == nil || !is503(err) {
				t.Errorf("%s with %q: %v", name, header, err)
			}
		}
		if cookies := w.Result().Header["Set-Cookie"]; cookies != nil {
			t.Errorf("%q: cookies %q", header, cookies)
		}
	}
}

// The whole way of a browser, with chi, through each client, on a real sessiond.
func TestLoginWithChi(t *testing.T) {
	eachClient(t, func(t *testing.T, _ string, connect connectFunc) {
		browser := newBrowser(t, chiApplication(sessiond.NewSessions(connect(running.URL, sessiond.WithTimeout(longTimeout)), noLog())))

		if status, body := browser.get("/me"); status != 401 || !strings.Contains(body, "INVALID_COOKIE") {
			t.Fatalf("before the login: %d %s", status, body)
		}
		_, preLogin := browser.get("/login")
		if _, again := browser.get("/login"); again != preLogin {
			t.Error("a second tab has another token")
		}
		if status, body := browser.post("/login", "user", "alice"); status != 403 || !strings.Contains(body, "CSRF_MISSING") {
			t.Errorf("login without a token: %d %s", status, body)
		}
		status, token := browser.post("/login", "user", "alice", "csrf_token", preLogin)
		if status != 200 || token == preLogin {
			t.Fatalf("login: %d %s", status, token)
		}
		if _, body := browser.get("/me"); body != "alice" {
			t.Errorf("after the login: %s", body)
		}
		if status, body := browser.post("/change", "note", "hi"); status != 403 || !strings.Contains(body, "CSRF_MISSING") {
			t.Errorf("change without a token: %d %s", status, body)
		}
		if status, body := browser.post("/change", "note", "hi", "csrf_token", preLogin); status != 403 || !strings.Contains(body, "CSRF_MISMATCH") {
			t.Errorf("change with the token of before: %d %s", status, body)
		}
		if _, body := browser.post("/change", "note", "hi", "csrf_token", token); body != "alice: hi" {
			t.Errorf("change: %s", body)
		}
		if status, body := browser.get("/acme/me"); status != 401 || !strings.Contains(body, "INVALID_COOKIE") {
			t.Errorf("another tenant: %d %s", status, body)
		}
		if status, _ := browser.post("/logout"); status != 403 {
			t.Errorf("logout without a token: %d", status)
		}
		if _, body := browser.post("/logout", "csrf_token", token); body != "true" {
			t.Errorf("logout: %s", body)
		}
		if status, _ := browser.get("/me"); status != 401 {
			t.Errorf("after the logout: %d", status)
		}
		if _, body := browser.get("/optional"); body != "nobody" {
			t.Errorf("after the logout: %s", body)
		}
	})
}

func chiApplication(sessions *sessiond.Sessions) http.Handler {
	router := chi.NewRouter()
	router.Get("/login", func(w http.ResponseWriter, r *http.Request) {
		token, err := sessions.StartLogin(w, r)
		if err != nil {
			sessions.Refuse(w, r, err)
			return
		}
		_, _ = io.WriteString(w, token)
	})
	router.Post("/login", func(w http.ResponseWriter, r *http.Request) {
		if err := sessions.CheckLogin(r); err != nil {
			sessions.Refuse(w, r, err)
			return
		}
		login, err := sessions.LogIn(w, r, sessiond.Login{ActorID: r.PostFormValue("user")})
		if err != nil {
			sessions.Refuse(w, r, err)
			return
		}
		_, _ = io.WriteString(w, login.CSRFToken)
	})
	router.With(sessions.Optional).Handle("/optional", whoami)
	router.Group(func(router chi.Router) {
		router.Use(sessions.Required)
		router.Handle("/me", whoami)
		router.Post("/change", func(w http.ResponseWriter, r *http.Request) {
			whoami(w, r)
			_, _ = io.WriteString(w, ": "+r.PostFormValue("note"))
		})
		router.Post("/logout", func(w http.ResponseWriter, r *http.Request) {
			revoked, err := sessions.LogOut(w, r)
			if err != nil {
				sessions.Refuse(w, r, err)
				return
			}
			_ = json.NewEncoder(w).Encode(revoked)
		})
		router.Route("/acme", func(router chi.Router) {
			// The same service, restricted to a tenant.
			acme := sessiond.NewSessions(running.Client, sessiond.WithTenant("acme"))
			router.With(acme.Required).Handle("/me", whoami)
		})
	})
	return router
}
