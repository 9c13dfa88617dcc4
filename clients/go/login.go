package sessiond

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	sessiondv1 "github.com/sessiond/sessiond/gen/go/sessiond/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

// StartLogin is for the GET of a login form. It returns the CSRF token to put into the form's field
// csrf_token. If the browser has no live session with this token, it creates a pre-login session and
// sets its cookies. A form that is open in another tab stays valid. Answer an error with Refuse.
func (s *Sessions) StartLogin(w http.ResponseWriter, r *http.Request) (csrfToken string, err error) {
	if token := s.CSRFToken(r); token != "" {
		err := s.validateLogin(r, token)
		if err == nil {
			return token, nil
		}
		switch e := ErrorFrom(err); e.BrowserStatus() {
		case http.StatusUnauthorized, http.StatusForbidden:
		default:
			return "", e
		}
	}
	tenant, err := s.tenantOf(r)
	if err != nil {
		return "", err
	}
	request := &sessiondv1.CreateRequest{PreLogin: true, Actor: &sessiondv1.ActorRef{}}
	if tenant != nil {
		request.Actor.TenantId = *tenant
	}
	created, err := s.create(w, r, request)
	if err != nil {
		return "", err
	}
	return created.CSRFToken, nil
}

// tokenForm is that of every CSRF token. A sibling domain can set such a cookie to anything else, and
// pages put it into their markup.
var tokenForm = regexp.MustCompile(`^[\w.~+/=-]+$`)

// CSRFToken returns the value of the request's CSRF cookie, for the hidden field csrf_token of the
// forms of a page, or "" without one. The browser sent it: escape it, as html/template does. In the
// response to a login, use the token that LogIn returns.
func (s *Sessions) CSRFToken(r *http.Request) string {
	for _, name := range s.csrfCookies {
		for _, cookie := range r.CookiesNamed(name) {
			if tokenForm.MatchString(cookie.Value) {
				return cookie.Value
			}
		}
	}
	return ""
}

// CheckLogin is for the POST of a login form, before the password is checked. It fails unless the
// request has the CSRF token of StartLogin, in the header or the form. Answer an error with Refuse.
func (s *Sessions) CheckLogin(r *http.Request) error {
	return s.validateLogin(r, submittedCSRFToken(r, s.csrfHeader, s.formLimit))
}

func (s *Sessions) validateLogin(r *http.Request, token string) error {
	request, err := s.validateRequest(r)
	if err != nil {
		return err
	}
	request.AcceptPreLogin = true
	request.CsrfToken = &token
	response, err := s.service.Validate(callContext(r), request)
	if err != nil {
		return ErrorFrom(err)
	}
	if response.GetSession().GetId() == "" {
		return ErrorFrom(errNoSession)
	}
	return nil
}

// Login says who has logged in.
type Login struct {
	// ActorID is who has logged in, 1 to 256 bytes. Required.
	ActorID string
	// ActorType is the kind of actor. Empty: `user`.
	ActorType string
	// TenantID is the actor's tenant. Empty: that of the [Sessions], or else `default`.
	TenantID string
	// AppType is the application that the session is for. Optional.
	AppType string
	// Metadata is stored with the session, at most 4096 bytes. Optional.
	Metadata map[string]string
	// IdleTimeout overrides the configured one, in whole seconds. 0: no override.
	IdleTimeout time.Duration
	// AbsoluteTimeout overrides the configured one, in whole seconds. 0: no override.
	AbsoluteTimeout time.Duration
}

// LoggedIn is the result of LogIn.
type LoggedIn struct {
	// Session is the new session.
	Session *sessiondv1.Session
	// CSRFToken is its CSRF token, for the forms of the next page. Secret.
	CSRFToken string
}

// LogIn creates a session for an actor whose password or the like has been checked, and sets its
// cookies. It revokes the session that the browser had before, so that no session id from before the
// login is valid after it. Answer an error with Refuse.
func (s *Sessions) LogIn(w http.ResponseWriter, r *http.Request, login Login) (*LoggedIn, error) {
	tenant, err := s.tenantOf(r)
	if err != nil {
		return nil, err
	}
	request := &sessiondv1.CreateRequest{
		Actor: &sessiondv1.ActorRef{
			TenantId:  login.TenantID,
			ActorType: login.ActorType,
			ActorId:   login.ActorID,
		},
		AppType:  login.AppType,
		Metadata: login.Metadata,
	}
	if request.Actor.ActorType == "" {
		request.Actor.ActorType = "user"
	}
	if request.Actor.TenantId == "" && tenant != nil {
		request.Actor.TenantId = *tenant
	}
	if login.IdleTimeout != 0 {
		request.IdleTimeout = durationpb.New(login.IdleTimeout)
	}
	if login.AbsoluteTimeout != 0 {
		request.AbsoluteTimeout = durationpb.New(login.AbsoluteTimeout)
	}
	cookies, _ := cookieHeader(r)
	request.Replaces = sessionRef(cookies, tenant)
	return s.create(w, r, request)
}

// LogOut revokes the browser's session and clears its cookies. It returns false if the session had
// already ended. It does not check the CSRF token, so its route must be behind Required. Answer an
// error with Refuse; then the user is still logged in.
func (s *Sessions) LogOut(w http.ResponseWriter, r *http.Request) (revoked bool, err error) {
	tenant, err := s.tenantOf(r)
	if err != nil {
		return false, err
	}
	cookies, ok := cookieHeader(r)
	if !ok {
		return false, nil
	}
	response, err := s.service.Revoke(callContext(r), &sessiondv1.RevokeRequest{Session: sessionRef(cookies, tenant)})
	if err != nil {
		if e := ErrorFrom(err); e.BrowserStatus() != http.StatusUnauthorized {
			return false, e
		}
		return false, nil
	}
	if response.GetSession().GetId() == "" {
		return false, ErrorFrom(errNoSession)
	}
	if err := setCookies(w, response.GetSetCookies()); err != nil {
		return false, err
	}
	return response.GetRevoked(), nil
}

func (s *Sessions) create(w http.ResponseWriter, r *http.Request, request *sessiondv1.CreateRequest) (*LoggedIn, error) {
	request.IpAddress = ipAddress(s.clientIP(r))
	request.UserAgent = userAgent(r)
	response, err := s.service.Create(callContext(r), request)
	if err != nil {
		return nil, ErrorFrom(err)
	}
	if response.GetSession().GetId() == "" || response.GetCsrfToken() == "" || len(response.GetSetCookies()) == 0 {
		return nil, ErrorFrom(errNoSession)
	}
	if err := setCookies(w, response.GetSetCookies()); err != nil {
		return nil, err
	}
	return &LoggedIn{response.GetSession(), response.GetCsrfToken()}, nil
}

func sessionRef(cookies string, tenant *string) *sessiondv1.SessionRef {
	return &sessiondv1.SessionRef{
		Ref:      &sessiondv1.SessionRef_CookieHeader{CookieHeader: cookies},
		TenantId: tenant,
	}
}

// setCookies adds to the cookies that the application sets: all of them, or none if one cannot be a
// header, because net/http would change it.
func setCookies(w http.ResponseWriter, cookies []*sessiondv1.SetCookie) error {
	for _, cookie := range cookies {
		if strings.ContainsFunc(cookie.GetHeader(), isControl) {
			return ErrorFrom(errors.New("sessiond: the response has a cookie with control characters"))
		}
	}
	for _, cookie := range cookies {
		w.Header().Add("Set-Cookie", cookie.GetHeader())
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
