package sessiond

import (
	"bytes"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"
)

const maxUserAgentCharacters = 512

// cookieHeader returns all Cookie headers as one, and whether there is any.
func cookieHeader(r *http.Request) (string, bool) {
	values := r.Header.Values("Cookie")
	return validText(strings.Join(values, "; ")), len(values) > 0
}

func userAgent(r *http.Request) string {
	return truncate(validText(r.UserAgent()), maxUserAgentCharacters)
}

// peerAddress returns the address of the other end of the connection, without port.
func peerAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// ipAddress returns the address without zone, or "" if it is none.
func ipAddress(text string) string {
	address, err := netip.ParseAddr(text)
	if err != nil {
		return ""
	}
	return address.WithZone("").String()
}

// validText replaces bytes that are not UTF-8, and NUL, by U+FFFD.
func validText(text string) string {
	if utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 {
		return text
	}
	return strings.ReplaceAll(string([]rune(text)), "\x00", "\uFFFD")
}

// truncate returns at most the first n characters of valid text.
func truncate(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}

// isUnsafe tells whether to search a request for a CSRF token. With the other methods, a wrong token
// does not matter. Whether one is required is sessiond's decision, by the method of each Validate.
func isUnsafe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return false
	}
	return true
}

const csrfField = "csrf_token"

// submittedCSRFToken returns the token of the header or else of the form, or "".
func submittedCSRFToken(r *http.Request, header string, formLimit int64) string {
	if token := r.Header.Get(header); token != "" {
		return validText(token)
	}
	return validText(formToken(r, formLimit))
}

// formToken reads the token of a form in the body, which the handler can read again. A body above the
// limit has no token.
func formToken(r *http.Request, limit int64) string {
	// As net/http, it ignores malformed parameters.
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if mediaType != "application/x-www-form-urlencoded" {
		return ""
	}
	if token := r.PostForm.Get(csrfField); token != "" {
		return token
	}
	if r.Body == nil {
		return ""
	}
	original := r.Body
	body, err := io.ReadAll(io.LimitReader(original, limit+1))
	r.Body = rereadBody{io.MultiReader(bytes.NewReader(body), original), original}
	if err != nil || int64(len(body)) > limit {
		return ""
	}
	// What is well-formed is returned even if there is an error.
	form, _ := url.ParseQuery(string(body))
	return form.Get(csrfField)
}

type rereadBody struct {
	io.Reader
	io.Closer
}
