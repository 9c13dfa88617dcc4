package sessiond

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCookieHeader(t *testing.T) {
	for _, test := range []struct {
		values []string
		want   string
		ok     bool
	}{
		{nil, "", false},
		{[]string{""}, "", true},
		{[]string{"a=1"}, "a=1", true},
		{[]string{"a=1", "b=2"}, "a=1; b=2", true},
		{[]string{"a=\xff\xfe; b=ü"}, "a=\uFFFD\uFFFD; b=ü", true},
		{[]string{"a=\x00"}, "a=\uFFFD", true},
	} {
		got, ok := cookieHeader(&http.Request{Header: http.Header{"Cookie": test.values}})
		if got != test.want || ok != test.ok {
			t.Errorf("%q: %q, %t", test.values, got, ok)
		}
	}
}

func TestIPAddress(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1":        "192.0.2.1",
		"2001:db8::1":      "2001:db8::1",
		"fe80::1%eth0":     "fe80::1",
		"::ffff:192.0.2.1": "::ffff:192.0.2.1",
		"192.0.2.1:80":     "",
		"[2001:db8::1]":    "",
		"192.0.2.1, ::1":   "",
		"unknown":          "",
		"":                 "",
	} {
		if got := ipAddress(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	for remote, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "[fe80::1%eth0]:80": "fe80::1", "@": "", "": "",
	} {
		if got := ipAddress(peerAddress(&http.Request{RemoteAddr: remote})); got != want {
			t.Errorf("%q: %q", remote, got)
		}
	}
}

func TestUserAgent(t *testing.T) {
	for sent, want := range map[string]string{
		"":                           "",
		"curl\xff":                   "curl\uFFFD",
		strings.Repeat("ü", 600):     strings.Repeat("ü", 512),
		strings.Repeat("😀", 512):     strings.Repeat("😀", 512),
		strings.Repeat("\xf0", 1000): strings.Repeat("\uFFFD", 512),
	} {
		if got := userAgent(&http.Request{Header: http.Header{"User-Agent": {sent}}}); got != want {
			t.Errorf("%q: %q", sent, got)
		}
	}
}

func FuzzCleaning(f *testing.F) {
	f.Add("a=1; b=\xff\x00")
	f.Add("fe80::1%eth0")
	f.Add(strings.Repeat("😀", 600) + "\xf0")
	f.Fuzz(func(t *testing.T, text string) {
		r := &http.Request{Header: http.Header{"Cookie": {text}, "User-Agent": {text}}, RemoteAddr: text}
		cookies, ok := cookieHeader(r)
		for _, cleaned := range []string{cookies, userAgent(r), submittedCSRFToken(r, "Cookie", 0)} {
			if !utf8.ValidString(cleaned) || strings.Contains(cleaned, "\x00") {
				t.Errorf("%q is not clean", cleaned)
			}
		}
		if valid := utf8.ValidString(text) && !strings.Contains(text, "\x00"); !ok || valid && cookies != text {
			t.Errorf("%q became %q", text, cookies)
		}
		if n := utf8.RuneCountInString(userAgent(r)); n > 512 {
			t.Errorf("%d characters", n)
		}
		for _, address := range []string{ipAddress(text), ipAddress(peerAddress(r))} {
			if parsed, err := netip.ParseAddr(address); address != "" && (err != nil || parsed.Zone() != "") {
				t.Errorf("%q is no address", address)
			}
		}
	})
}

func TestSubmittedCSRFToken(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	for _, test := range []struct{ name, header, contentType, query, body, want string }{
		{"nothing", "", "", "", "", ""},
		{"header", "token", "", "", "", "token"},
		{"header before form", "token", form, "", "csrf_token=other", "token"},
		{"form", "", form, "", "note=hi&csrf_token=a%2Fb", "a/b"},
		{"form with parameters", "", form + "; charset=utf-8", "", "csrf_token=token", "token"},
		{"form with malformed parameters", "", form + "; charset", "", "csrf_token=token", "token"},
		{"form in capitals", "", strings.ToUpper(form), "", "csrf_token=token", "token"},
		{"form with a malformed field", "", form, "", "csrf_token=token&x=%zz", "token"},
		{"form at the limit", "", form, "", "csrf_token=token&x=" + strings.Repeat("x", 100-19), "token"},
		{"form above the limit", "", form, "", "csrf_token=token&x=" + strings.Repeat("x", 100-18), ""},
		{"query", "", form, "csrf_token=token", "", ""},
		{"JSON", "", "application/json", "", "csrf_token=token", ""},
		{"multipart", "", "multipart/form-data; boundary=x", "", "csrf_token=token", ""},
		{"no type", "", "", "", "csrf_token=token", ""},
		{"not UTF-8", "", form, "", "csrf_token=%ff%00", "\uFFFD\uFFFD"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, method := range []string{"POST", "DELETE"} {
				r := httptest.NewRequest(method, "/?"+test.query, strings.NewReader(test.body))
				r.Header.Set("Content-Type", test.contentType)
				r.Header.Set("X-CSRF-Token", test.header)
				if got := submittedCSRFToken(r, "X-CSRF-Token", 100); got != test.want {
					t.Errorf("got %q", got)
				}
				if body, err := io.ReadAll(r.Body); err != nil || string(body) != test.body {
					t.Errorf("the handler reads %q, %v", body, err)
				}
			}
		})
	}
}

func TestSubmittedCSRFTokenOfParsedForm(t *testing.T) {
	r := httptest.NewRequest("POST", "/?csrf_token=query", strings.NewReader("csrf_token=form"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := r.ParseForm(); err != nil {
		t.Fatal(err)
	}
	if got := submittedCSRFToken(r, "X-CSRF-Token", 100); got != "form" {
		t.Errorf("got %q", got)
	}
}

func TestBodyThatCannotBeRead(t *testing.T) {
	broken := errors.New("broken")
	r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("csrf_token=t"), failingReader{broken}))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if got := submittedCSRFToken(r, "X-CSRF-Token", 100); got != "" {
		t.Errorf("got %q", got)
	}
	if body, err := io.ReadAll(r.Body); !errors.Is(err, broken) || string(body) != "csrf_token=t" {
		t.Errorf("the handler reads %q, %v", body, err)
	}
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }
