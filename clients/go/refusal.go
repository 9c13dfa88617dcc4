package sessiond

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

// Refuse answers a request that cannot be served because of err, as the middleware does. Handlers use
// it for the errors of StartLogin, CheckLogin, LogIn and LogOut. err must not be nil.
func (s *Sessions) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := ErrorFrom(err)
	browserHasGone := errors.Is(r.Context().Err(), context.Canceled)
	if e.BrowserStatus() >= 500 && !browserHasGone {
		s.failed(r.Context(), r.Method, r.URL.Path, e)
	}
	s.refused(w, r, e)
}

type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

// WriteRefusal answers with the BrowserStatus of err and an application/problem+json (RFC 9457) that
// has the reason, or SERVICE_UNAVAILABLE without one. 429 and 503 have a Retry-After. It never changes
// cookies. The text of a failure of the backend is not shown.
func WriteRefusal(w http.ResponseWriter, err *Error) {
	code := err.BrowserStatus()
	answer := problem{http.StatusText(code), code, err.ReasonName(), err.Message}
	if answer.Title == "" {
		answer.Title = "Error"
	}
	if answer.Reason == "" {
		answer.Reason = "SERVICE_UNAVAILABLE"
	}
	switch {
	case code == http.StatusServiceUnavailable:
		answer.Detail = "sessions are unavailable at the moment; try again later"
	case code >= 500:
		answer.Detail = "the server failed to process the request"
	}
	header := w.Header()
	header.Del("Content-Length")
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	if code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable {
		header.Set("Retry-After", strconv.Itoa(err.RetryAfterSeconds()))
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	// Strings and a number cannot fail to encode.
	_ = encoder.Encode(answer)
	w.WriteHeader(code)
	// The browser may have gone.
	_, _ = w.Write(bytes.TrimSpace(body.Bytes()))
}
