package sessiondgin_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	sessiond "github.com/sessiond/sessiond/clients/go"
	"github.com/sessiond/sessiond/clients/go/sessiondgin"
	"github.com/sessiond/sessiond/clients/go/sessiondtest"
)

func TestGin(t *testing.T) {
	server := sessiondtest.New(t, sessiondtest.WithCookieSecure(false))
	sessions := sessiond.NewSessions(server.Client)
	gin.SetMode(gin.TestMode)
	router := gin.New()
	router.GET("/login", func(c *gin.Context) {
		login, err := sessions.LogIn(c.Writer, c.Request, sessiond.Login{ActorID: "alice"})
		if err != nil {
			sessions.Refuse(c.Writer, c.Request, err)
			return
		}
		c.String(http.StatusOK, login.CSRFToken)
	})
	whoami := func(c *gin.Context) {
		name := "nobody"
		if found, ok := sessiondgin.FromContext(c); ok {
			name = found.GetSession().GetActorId()
		}
		c.String(http.StatusOK, name+" "+c.PostForm("note"))
	}
	router.Any("/required", sessiondgin.Required(sessions), whoami)
	router.Any("/optional", sessiondgin.Optional(sessions), whoami)

	call := func(method, path, cookies, body string) (int, string, http.Header) {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if cookies != "" {
			r.Header.Set("Cookie", cookies)
		}
		w := httptest.NewRecorder()
		router.ServeHTTP(w, r)
		return w.Code, w.Body.String(), w.Result().Header
	}
	_, token, header := call("GET", "/login", "", "")
	var pairs []string
	for _, cookie := range header.Values("Set-Cookie") {
		pair, _, _ := strings.Cut(cookie, ";")
		pairs = append(pairs, pair)
	}
	cookies := strings.Join(pairs, "; ")

	for _, test := range []struct {
		method, path, cookies, body string
		status                      int
		says                        string
	}{
		{"GET", "/required", cookies, "", 200, "alice "},
		{"GET", "/required", "", "", 401, "INVALID_COOKIE"},
		{"POST", "/required", cookies, "note=hi", 403, "CSRF_MISSING"},
		{"POST", "/required", cookies, "note=hi&csrf_token=" + token, 200, "alice hi"},
		{"GET", "/optional", cookies, "", 200, "alice "},
		{"GET", "/optional", "", "", 200, "nobody "},
		{"POST", "/optional", cookies, "note=hi", 403, "CSRF_MISSING"},
	} {
		status, body, _ := call(test.method, test.path, test.cookies, test.body)
		if status != test.status || !strings.Contains(body, test.says) || strings.Contains(body, "alice") && status != 200 {
			t.Errorf("%s %s: %d %s", test.method, test.path, status, body)
		}
	}
}
