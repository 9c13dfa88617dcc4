package sessiond

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/sessiond/sessiond/clients/go/internal/options"
	sessiondv1 "github.com/sessiond/sessiond/gen/go/sessiond/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// Service is what the middleware calls. [*Client] has it; for Connect, see connectclient.Client.
type Service interface {
	Create(context.Context, *sessiondv1.CreateRequest, ...grpc.CallOption) (*sessiondv1.CreateResponse, error)
	Validate(context.Context, *sessiondv1.ValidateRequest, ...grpc.CallOption) (*sessiondv1.ValidateResponse, error)
	Revoke(context.Context, *sessiondv1.RevokeRequest, ...grpc.CallOption) (*sessiondv1.RevokeResponse, error)
}

// Sessions has the middleware of net/http and the helpers for login and logout.
type Sessions struct {
	service     Service
	tenant      func(*http.Request) string // nil: no restriction
	clientIP    func(*http.Request) string
	csrfHeader  string
	csrfCookies []string
	formLimit   int64
	refused     func(http.ResponseWriter, *http.Request, *Error)
	failed      func(ctx context.Context, method, path string, err *Error)
}

// SessionsOption changes a [Sessions].
type SessionsOption func(*Sessions)

// NewSessions returns the middleware that calls the service.
func NewSessions(service Service, opts ...SessionsOption) *Sessions {
	s := &Sessions{
		service:     service,
		clientIP:    peerAddress,
		csrfHeader:  "X-CSRF-Token",
		csrfCookies: []string{"__Host-csrf", "csrf"},
		formLimit:   1 << 20,
		refused:     func(w http.ResponseWriter, _ *http.Request, err *Error) { WriteRefusal(w, err) },
		failed:      logFailure,
	}
	for _, opt := range opts {
		opt(s)
	}
	return s
}

// WithTenant only accepts sessions of the tenant, and creates sessions in it.
func WithTenant(tenant string) SessionsOption {
	return WithTenantFunc(func(*http.Request) string { return tenant })
}

// WithTenantFunc is [WithTenant] with a tenant that depends on the request. If it is empty, the
// request is answered with 500 and no call is made: empty never means any tenant.
func WithTenantFunc(tenant func(*http.Request) string) SessionsOption {
	return func(s *Sessions) { s.tenant = tenant }
}

// WithClientIP sets how to find the browser's address. The default is the connection's other end,
// which behind a proxy is the proxy. What is not an address, without port, counts as unknown.
func WithClientIP(clientIP func(*http.Request) string) SessionsOption {
	return func(s *Sessions) { s.clientIP = clientIP }
}

// WithCSRFHeader sets the request header that has the CSRF token; the default is X-CSRF-Token.
func WithCSRFHeader(name string) SessionsOption {
	return func(s *Sessions) { s.csrfHeader = name }
}

// WithCSRFCookie sets the name of the CSRF cookie, which CSRFToken and StartLogin read. The default is
// `__Host-csrf` and then `csrf`. Set it if sessiond is configured with another name.
func WithCSRFCookie(name string) SessionsOption {
	return func(s *Sessions) { s.csrfCookies = []string{name} }
}

// WithFormLimit sets the size in bytes up to which a form is read for its field csrf_token; the
// default is 1 MiB. A larger form is refused as one without a token.
func WithFormLimit(bytes int64) SessionsOption {
	return func(s *Sessions) { s.formLimit = bytes }
}

// WithRefusalHandler answers refused requests in place of [WriteRefusal], for example with a redirect
// to the login page if err.BrowserStatus() is 401. It must not delete cookies: with 503, the user may
// still be logged in.
func WithRefusalHandler(handler func(w http.ResponseWriter, r *http.Request, err *Error)) SessionsOption {
	return func(s *Sessions) { s.refused = handler }
}

// WithErrorHandler gets the failures that are answered with 500 or more, such as outages and mistakes
// of the backend, with the method and the path of the request. It does not get the request, whose
// cookies must not be logged. The default logs them with slog. It is not called if the browser has gone.
func WithErrorHandler(handler func(ctx context.Context, method, path string, err *Error)) SessionsOption {
	return func(s *Sessions) { s.failed = handler }
}

func logFailure(ctx context.Context, method, path string, err *Error) {
	slog.ErrorContext(ctx, "cannot use sessions", "method", method, "path", path, "error", err)
}

// Required lets a request pass only with a live session, which [FromContext] returns, and records
// activity. A request with a method other than GET, HEAD, OPTIONS and TRACE must also have the
// session's CSRF token, in the header X-CSRF-Token or in the field csrf_token of an URL-encoded form.
// Others are answered with [WriteRefusal].
func (s *Sessions) Required(next http.Handler) http.Handler {
	return s.middleware(next, func(*Error) bool { return false })
}

// Optional is like Required, but a request without a live session passes, too, without a session in
// its context. With a live session, the CSRF token is required as well. Outages and overload are
// answered with 503 and 429: nobody looks logged out because of them.
func (s *Sessions) Optional(next http.Handler) http.Handler {
	return s.middleware(next, func(err *Error) bool { return err.BrowserStatus() == http.StatusUnauthorized })
}

func (s *Sessions) middleware(next http.Handler, passes func(*Error) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		outcome, err := s.validate(r)
		if err != nil {
			if e := ErrorFrom(err); !passes(e) {
				s.Refuse(w, r, e)
				return
			}
		}
		// Without a session, this hides one of a middleware around this one.
		ctx := context.WithValue(r.Context(), sessionKey{}, outcome)
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

type sessionKey struct{}

// validated is a session, and what it has been checked for.
type validated struct {
	by       *Sessions
	tenant   string
	method   string
	response *sessiondv1.ValidateResponse
}

// covers tells whether another middleware around this one has already checked the request of s, which
// may have changed on its way.
func (v validated) covers(s *Sessions, request *sessiondv1.ValidateRequest) bool {
	return v.response != nil && v.by == s && v.tenant == request.GetTenantId() && v.method == request.GetHttpMethod()
}

// FromContext returns the session of a request that passed [Sessions.Required] or
// [Sessions.Optional], with the time that it has left, and whether there is one.
func FromContext(ctx context.Context) (*sessiondv1.ValidateResponse, bool) {
	found, _ := ctx.Value(sessionKey{}).(validated)
	return found.response, found.response != nil
}

func (s *Sessions) validate(r *http.Request) (validated, error) {
	request, err := s.validateRequest(r)
	if err != nil {
		return validated{}, err
	}
	found, _ := r.Context().Value(sessionKey{}).(validated)
	if found.covers(s, request) {
		return found, nil
	}
	request.Touch = true
	if isUnsafe(r.Method) {
		token := submittedCSRFToken(r, s.csrfHeader, s.formLimit)
		request.CsrfToken = &token
	}
	response, err := s.service.Validate(callContext(r), request)
	if err != nil {
		return validated{}, err
	}
	if response.GetSession().GetId() == "" || response.GetSession().GetActorId() == "" {
		return validated{}, errNoSession
	}
	return validated{s, request.GetTenantId(), request.GetHttpMethod(), response}, nil
}

// validateRequest has what is common to all calls of Validate.
func (s *Sessions) validateRequest(r *http.Request) (*sessiondv1.ValidateRequest, error) {
	tenant, err := s.tenantOf(r)
	if err != nil {
		return nil, err
	}
	cookies, ok := cookieHeader(r)
	if !ok {
		return nil, invalidCookie()
	}
	// A copy: the handler may change the request's.
	method := r.Method
	return &sessiondv1.ValidateRequest{
		Credential: &sessiondv1.ValidateRequest_CookieHeader{CookieHeader: cookies},
		TenantId:   tenant,
		IpAddress:  ipAddress(s.clientIP(r)),
		UserAgent:  userAgent(r),
		HttpMethod: &method,
	}, nil
}

// tenantOf returns nil if there is no restriction.
func (s *Sessions) tenantOf(r *http.Request) (*string, error) {
	if s.tenant == nil {
		return nil, nil
	}
	tenant := s.tenant(r)
	if tenant == "" {
		const description = "tenant_id must not be empty: the application found no tenant for the request"
		return nil, &Error{
			Code:       codes.InvalidArgument,
			Reason:     ReasonInvalidRequest,
			HTTPStatus: http.StatusBadRequest,
			Message:    description,
			Violations: []Violation{{"tenant_id", description}},
		}
	}
	return &tenant, nil
}

// invalidCookie is what sessiond says without a cookie.
func invalidCookie() *Error {
	return &Error{
		Code:       codes.Unauthenticated,
		Reason:     ReasonInvalidCookie,
		HTTPStatus: http.StatusUnauthorized,
		Message:    "the session cookie is missing or not valid",
	}
}

// errNoSession is the failure of a success that says nothing. Protobuf reads an empty body as an
// empty message, so a broken proxy can cause it.
var errNoSession = errors.New("sessiond: the response has no session")

// callContext is that of a call which belongs to a web request.
func callContext(r *http.Request) context.Context { return options.AmbientDeadline(r.Context()) }
