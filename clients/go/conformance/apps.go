package main

import (
	"io"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	sessiond "github.com/sessiond/sessiond/clients/go"
	"github.com/sessiond/sessiond/clients/go/sessiondgin"
)

type guard int

const (
	open guard = iota
	required
	optional
)

// route is a route of every application.
type route struct {
	method, path string
	guard        guard
	sessions     *sessiond.Sessions
	handler      http.HandlerFunc
}

func routes(sessions, acme *sessiond.Sessions) []route {
	all := []route{
		{"GET", "/login", open, sessions, loginForm(sessions)},
		{"POST", "/login", open, sessions, logIn(sessions)},
		{"GET", "/me", required, sessions, me},
		{"GET", "/optional", optional, sessions, who},
		{"POST", "/optional", optional, sessions, who},
		{"GET", "/acme/me", required, acme, me},
		{"POST", "/logout", required, sessions, logOut(sessions)},
	}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		all = append(all, route{method, "/change", required, sessions, change})
	}
	return all
}

func (r route) guarded() http.Handler {
	switch r.guard {
	case required:
		return r.sessions.Required(r.handler)
	case optional:
		return r.sessions.Optional(r.handler)
	}
	return r.handler
}

func netHTTP(routes []route) http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.Handle(r.method+" "+r.path, r.guarded())
	}
	return mux
}

func withChi(routes []route) http.Handler {
	router := chi.NewRouter()
	for _, r := range routes {
		with := chi.Router(router)
		switch r.guard {
		case required:
			with = router.With(r.sessions.Required)
		case optional:
			with = router.With(r.sessions.Optional)
		}
		with.Method(r.method, r.path, r.handler)
	}
	return router
}

func withGin(routes []route) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	for _, r := range routes {
		handlers := []gin.HandlerFunc{gin.WrapF(r.handler)}
		switch r.guard {
		case required:
			handlers = append([]gin.HandlerFunc{sessiondgin.Required(r.sessions)}, handlers...)
		case optional:
			handlers = append([]gin.HandlerFunc{sessiondgin.Optional(r.sessions)}, handlers...)
		}
		router.Handle(r.method, r.path, handlers...)
	}
	return router
}

func loginForm(sessions *sessiond.Sessions) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, err := sessions.StartLogin(w, r)
		if err != nil {
			sessions.Refuse(w, r, err)
			return
		}
		writeJSON(w, map[string]any{"csrfToken": token})
	}
}

func logIn(sessions *sessiond.Sessions) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := sessions.CheckLogin(r); err != nil {
			sessions.Refuse(w, r, err)
			return
		}
		login := sessiond.Login{ActorID: r.PostFormValue("user"), TenantID: r.PostFormValue("tenant")}
		result, err := sessions.LogIn(w, r, login)
		if err != nil {
			sessions.Refuse(w, r, err)
			return
		}
		writeJSON(w, map[string]any{"actorId": result.Session.GetActorId(), "csrfToken": result.CSRFToken})
	}
}

func me(w http.ResponseWriter, r *http.Request) {
	found, ok := sessiond.FromContext(r.Context())
	if !ok {
		panic("a required session is missing")
	}
	writeJSON(w, map[string]any{
		"actorId":       found.GetSession().GetActorId(),
		"tenantId":      found.GetSession().GetTenantId(),
		"sessionId":     found.GetSession().GetId(),
		"secondsLeft":   found.GetSecondsLeft(),
		"expiryWarning": found.GetExpiryWarning(),
	})
}

func change(w http.ResponseWriter, r *http.Request) {
	found, ok := sessiond.FromContext(r.Context())
	if !ok {
		panic("a required session is missing")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	// net/http does not parse the form of a DELETE.
	form, err := url.ParseQuery(string(body))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	writeJSON(w, map[string]any{"actorId": found.GetSession().GetActorId(), "body": form.Get("note")})
}

func who(w http.ResponseWriter, r *http.Request) {
	var actorID any
	if found, ok := sessiond.FromContext(r.Context()); ok {
		actorID = found.GetSession().GetActorId()
	}
	writeJSON(w, map[string]any{"actorId": actorID})
}

func logOut(sessions *sessiond.Sessions) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		revoked, err := sessions.LogOut(w, r)
		if err != nil {
			sessions.Refuse(w, r, err)
			return
		}
		writeJSON(w, map[string]any{"revoked": revoked})
	}
}
