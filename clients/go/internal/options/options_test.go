package options

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	sessiondv1 "github.com/sessiond/sessiond/gen/go/sessiond/v1"
	"google.golang.org/grpc/codes"
)

func TestAddress(t *testing.T) {
	for _, test := range []struct {
		address, url, target string
		tls                  bool
	}{
		{"http://127.0.0.1:8480", "http://127.0.0.1:8480", "dns:///127.0.0.1:8480", false},
		{"http://localhost", "http://localhost:80", "dns:///localhost:80", false},
		{"https://sessiond.example", "https://sessiond.example:443", "dns:///sessiond.example:443", true},
		{"HTTPS://sessiond.example:8443/", "https://sessiond.example:8443", "dns:///sessiond.example:8443", true},
		{"http://[::1]:8480", "http://[::1]:8480", "dns:///[::1]:8480", false},
	} {
		t.Run(test.address, func(t *testing.T) {
			config, err := New(test.address, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := config.Address
			if got.URL != test.url || got.Target != test.target || got.TLS != test.tls {
				t.Errorf("got %+v", got)
			}
			if (config.TLSConfig != nil) != test.tls {
				t.Errorf("TLS configuration %v", config.TLSConfig)
			}
		})
	}
}

func TestBadAddress(t *testing.T) {
	const mustBe = "must be http://host[:port] or https://host[:port]"
	for _, test := range []struct{ address, says string }{
		{"", mustBe},
		{"127.0.0.1:8480", "WithPlaintext or WithTLS"},
		{"dns:///sessiond:8480", "WithPlaintext or WithTLS"},
		{"ftp://sessiond", "WithPlaintext or WithTLS"},
		{"http://", "no host"},
		{"http://:8480", "no host"},
		{"http://user:hunter2@sessiond", "without user info"},
		{"http://sessiond/path", "without a path"},
		{"http://sessiond?a=hunter2", "without a query"},
		{"http://sessiond?", "without a query"},
		{"http://sessiond#", "without a query or a fragment"},
		{"http://sessiond:0", "1 to 65535"},
		{"http://sessiond:65536", "1 to 65535"},
		{"http://sessiond:http", mustBe},
		{"http://hunter2 sessiond", mustBe},
	} {
		t.Run(test.address, func(t *testing.T) {
			_, err := New(test.address, nil)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("got %v, want %q", err, test.says)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error repeats the address: %v", err)
			}
		})
	}
}

func TestTarget(t *testing.T) {
	config, err := New("dns:///sessiond:8480", []Option{security(TLS)})
	if err != nil {
		t.Fatal(err)
	}
	if config.Address.Target != "dns:///sessiond:8480" || !config.Address.TLS || config.Address.URL != "" {
		t.Errorf("got %+v", config.Address)
	}
	for address, security := range map[string]Option{
		"http://sessiond":  security(TLS),
		"https://sessiond": security(Plaintext),
	} {
		if _, err := New(address, []Option{security}); err == nil {
			t.Errorf("%s is accepted with the opposite option", address)
		}
	}
}

func TestTokenOverPlaintext(t *testing.T) {
	token := func(c *Config) {
		c.Token = func(context.Context) (string, error) { return "secret", nil }
	}
	allow := func(c *Config) { c.TokenOverPlaintext = true }
	for _, test := range []struct {
		address string
		opts    []Option
		ok      bool
	}{
		{"http://sessiond.internal:8480", nil, false},
		{"http://10.0.0.1", nil, false},
		{"http://localhost.example", nil, false},
		{"http://127.0.0.1.example", nil, false},
		{"dns:///sessiond:8480", []Option{security(Plaintext)}, false},
		{"sessiond:8480", []Option{security(Plaintext)}, false},
		{"http://sessiond.internal:8480", []Option{allow}, true},
		{"https://sessiond.internal", nil, true},
		{"http://localhost:8480", nil, true},
		{"http://127.0.0.2:8480", nil, true},
		{"http://[::1]:8480", nil, true},
		{"dns:///localhost:8480", []Option{security(Plaintext)}, true},
		{"unix:///run/sessiond.sock", []Option{security(Plaintext)}, true},
	} {
		_, err := New(test.address, append([]Option{token}, test.opts...))
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", test.address, err)
		}
		if err != nil && !strings.Contains(err.Error(), "AllowTokenOverPlaintext") {
			t.Errorf("%s: the error does not say what to do: %v", test.address, err)
		}
	}
}

func TestBadToken(t *testing.T) {
	for _, token := range []string{"", "two words", "line\nbreak", "ümlaut"} {
		config := &Config{Token: func(context.Context) (string, error) { return token, nil }}
		value, err := config.Authorization(t.Context())
		if err == nil || value != "" {
			t.Errorf("%q is accepted", token)
			continue
		}
		if token != "" && strings.Contains(err.Error(), token) {
			t.Errorf("the error has the token: %v", err)
		}
	}
}

func TestBadOptions(t *testing.T) {
	for name, test := range map[string]struct {
		address string
		opt     Option
	}{
		"timeout":             {"http://sessiond", func(c *Config) { c.Timeout = 0 }},
		"keep-alive":          {"http://sessiond", func(c *Config) { c.KeepAliveInterval = -1 }},
		"CA over plain text":  {"http://sessiond", func(c *Config) { c.CA = []byte("x") }},
		"CA":                  {"https://sessiond", func(c *Config) { c.CA = []byte("not PEM") }},
		"empty CA":            {"https://sessiond", func(c *Config) { c.CA = []byte{} }},
		"name in plain text":  {"http://sessiond", func(c *Config) { c.ServerName = "x" }},
		"client certificate":  {"https://sessiond", func(c *Config) { c.CertificatePEM = []byte("x") }},
		"empty certificate":   {"https://sessiond", func(c *Config) { c.CertificatePEM = []byte{} }},
		"files in plain text": {"http://sessiond", func(c *Config) { c.CertificatePath, c.KeyPath = "x", "x" }},
		"certificate, no key": {"https://sessiond", func(c *Config) { c.CertificatePath = "options_test.go" }},
		"plain text with TLS": {"https://sessiond", security(Plaintext)},
	} {
		if _, err := New(test.address, []Option{test.opt}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func security(s Security) Option { return func(c *Config) { c.Security = s } }

func TestDeadline(t *testing.T) {
	config, err := New("http://sessiond", nil)
	if err != nil {
		t.Fatal(err)
	}
	left := func(ctx context.Context) time.Duration {
		ctx, cancel := config.WithDeadline(ctx)
		defer cancel()
		deadline, ok := ctx.Deadline()
		if !ok {
			t.Fatal("no deadline")
		}
		return time.Until(deadline)
	}
	late, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if got := left(t.Context()); got > 2*time.Second {
		t.Errorf("by default %s", got)
	}
	if got := left(late); got < time.Minute {
		t.Errorf("the caller's deadline became %s", got)
	}
	if got := left(AmbientDeadline(late)); got > 2*time.Second {
		t.Errorf("the deadline of a web request became that of the call: %s", got)
	}
	soon, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if got := left(AmbientDeadline(soon)); got > time.Millisecond {
		t.Errorf("the deadline of a web request was passed: %s", got)
	}
}

func TestIdempotentMethods(t *testing.T) {
	notIdempotent := []string{"Create", "RotateCsrf", "RotateSession", "RotateSigningKey", "RotateTokenKey",
		"UpdateMetadata"}
	methods := sessiondv1.File_sessiond_v1_session_service_proto.Services().Get(0).Methods()
	for i := range methods.Len() {
		name := string(methods.Get(i).Name())
		if slices.Contains(Idempotent, name) == slices.Contains(notIdempotent, name) {
			t.Errorf("%s must be in one of the lists", name)
		}
	}
	if methods.Len() != len(Idempotent)+len(notIdempotent) {
		t.Error("a list has a method that the service does not have")
	}
	if !Retryable("/sessiond.v1.SessionService/Get", codes.Unavailable) ||
		Retryable("/sessiond.v1.SessionService/Create", codes.Unavailable) ||
		Retryable("/sessiond.v1.SessionService/Get", codes.Internal) {
		t.Error("Retryable is wrong")
	}
}

func TestBackoff(t *testing.T) {
	for attempt, ms := range map[int]float64{1: 50, 2: 100, 3: 200, 30: 1000} {
		got := float64(Backoff(attempt)) / float64(time.Millisecond)
		if got < 0.8*ms || got > 1.2*ms {
			t.Errorf("after attempt %d: %g ms", attempt, got)
		}
	}
}

func TestServiceConfig(t *testing.T) {
	for _, retry := range []bool{true, false} {
		var config map[string]any
		if err := json.Unmarshal([]byte(ServiceConfig(retry)), &config); err != nil {
			t.Fatal(err)
		}
		if _, ok := config["methodConfig"]; ok != retry {
			t.Errorf("retry %t: %v", retry, config)
		}
	}
}
