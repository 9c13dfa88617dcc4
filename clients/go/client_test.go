package sessiond_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	sessiond "github.com/sessiond/sessiond/clients/go"
	"github.com/sessiond/sessiond/clients/go/connectclient"
	sessiondv1 "github.com/sessiond/sessiond/gen/go/sessiond/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
)

type connectFunc = func(address string, opts ...sessiond.Option) sessiond.Service

// longTimeout is not reached, unless a test hangs.
const longTimeout = time.Hour

func validate(ctx context.Context, service sessiond.Service) error {
	_, err := service.Validate(ctx, &sessiondv1.ValidateRequest{})
	return err
}

func create(ctx context.Context, service sessiond.Service) error {
	_, err := service.Create(ctx, &sessiondv1.CreateRequest{})
	return err
}

func TestRetry(t *testing.T) {
	succeedsAt := func(n int, r refusal) func(context.Context, int) *refusal {
		return func(_ context.Context, call int) *refusal {
			if call >= n {
				return nil
			}
			return &r
		}
	}
	const never = 100
	outage := refusal{code: codes.Unavailable, reason: sessiond.ReasonStorageUnavailable}
	for _, test := range []struct {
		name   string
		script func(context.Context, int) *refusal
		call   func(context.Context, sessiond.Service) error
		opts   []sessiond.Option
		calls  int
		code   codes.Code
	}{
		{"after UNAVAILABLE", succeedsAt(3, outage), validate, nil, 3, codes.OK},
		{"after RESOURCE_EXHAUSTED", succeedsAt(2, refusal{code: codes.ResourceExhausted}), validate, nil, 2, codes.OK},
		{"three attempts", succeedsAt(never, outage), validate, nil, 3, codes.Unavailable},
		{"after the delay of RetryInfo", succeedsAt(2, refusal{code: codes.Unavailable, retryDelay: 20 * time.Millisecond}), validate, nil, 2, codes.OK},
		{"not a call that is not idempotent", succeedsAt(2, outage), create, nil, 1, codes.Unavailable},
		{"not after INTERNAL", succeedsAt(2, refusal{code: codes.Internal}), validate, nil, 1, codes.Internal},
		{"not after UNAUTHENTICATED", succeedsAt(2, refusal{code: codes.Unauthenticated}), validate, nil, 1, codes.Unauthenticated},
		{"not if turned off", succeedsAt(2, outage), validate, []sessiond.Option{sessiond.WithoutRetry()}, 1, codes.Unavailable},
		{
			// It would hang if it waited.
			"not if the delay passes the deadline",
			succeedsAt(2, refusal{code: codes.Unavailable, reason: sessiond.ReasonStorageUnavailable, retryDelay: 2 * longTimeout}),
			validate, nil, 1, codes.Unavailable,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachClient(t, func(t *testing.T, flavour string, connect connectFunc) {
				server := &scripted{script: test.script}
				opts := append([]sessiond.Option{sessiond.WithTimeout(longTimeout)}, test.opts...)
				err := test.call(t.Context(), connect(server.serve(t, flavour), opts...))
				if got := codeOf(err); got != test.code {
					t.Errorf("got %v", err)
				}
				if server.count() != test.calls {
					t.Errorf("%d calls", server.count())
				}
				if e, ok := errors.AsType[*sessiond.Error](err); ok && e.Message != "scripted" {
					t.Errorf("message %q", e.Message)
				}
			})
		})
	}
}

// The reason of the last attempt tells more than DEADLINE_EXCEEDED.
func TestReasonIsKeptIfTheDeadlinePassesWhileWaiting(t *testing.T) {
	eachClient(t, func(t *testing.T, flavour string, connect connectFunc) {
		server := &scripted{script: func(context.Context, int) *refusal {
			return &refusal{codes.ResourceExhausted, sessiond.ReasonOverloaded, time.Minute}
		}}
		service := connect(server.serve(t, flavour), sessiond.WithTimeout(30*time.Second))
		err := validate(t.Context(), service)
		e, ok := errors.AsType[*sessiond.Error](err)
		if !ok || e.Reason != sessiond.ReasonOverloaded || e.RetryDelay != time.Minute || server.count() != 1 {
			t.Errorf("got %v after %d calls", err, server.count())
		}
	})
}

func TestDeadline(t *testing.T) {
	eachClient(t, func(t *testing.T, flavour string, connect connectFunc) {
		// Not the end of the context: its answer could come before the client's own deadline.
		ended := make(chan struct{})
		server := &scripted{script: func(context.Context, int) *refusal {
			<-ended
			return &refusal{code: codes.Internal}
		}}
		service := connect(server.serve(t, flavour), sessiond.WithTimeout(20*time.Millisecond))
		err := validate(t.Context(), service)
		close(ended)
		if codeOf(err) != codes.DeadlineExceeded || !is503(err) {
			t.Errorf("got %v", err)
		}
	})
}

func TestDeadlineOfTheCallerReplacesTheTimeout(t *testing.T) {
	eachClient(t, func(t *testing.T, flavour string, connect connectFunc) {
		server := &scripted{script: func(ctx context.Context, _ int) *refusal {
			if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) < time.Minute {
				return &refusal{code: codes.OutOfRange}
			}
			return nil
		}}
		service := connect(server.serve(t, flavour))
		if err := validate(t.Context(), service); codeOf(err) != codes.OutOfRange {
			t.Errorf("without a deadline: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), longTimeout)
		defer cancel()
		if err := validate(ctx, service); err != nil {
			t.Error(err)
		}
	})
}

func TestCancel(t *testing.T) {
	for name, answer := range map[string]func(context.Context) *refusal{
		"while it is served": func(ctx context.Context) *refusal {
			<-ctx.Done()
			return &refusal{code: codes.Internal}
		},
		"while it waits for the next attempt": func(context.Context) *refusal {
			return &refusal{codes.Unavailable, sessiond.ReasonStorageUnavailable, time.Minute}
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachClient(t, func(t *testing.T, flavour string, connect connectFunc) {
				ctx, cancel := context.WithCancel(t.Context())
				called := make(chan struct{})
				server := &scripted{script: func(ctx context.Context, _ int) *refusal {
					close(called)
					return answer(ctx)
				}}
				service := connect(server.serve(t, flavour), sessiond.WithTimeout(longTimeout))
				result := make(chan error, 1)
				go func() { result <- validate(ctx, service) }()
				<-called
				cancel()
				if err := <-result; codeOf(err) != codes.Canceled || !is503(err) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// Whatever goes wrong on the way is an outage, never a decision about a session.
func TestOutage(t *testing.T) {
	tlsServer := httptest.NewUnstartedServer((&scripted{}).handler())
	tlsServer.EnableHTTP2 = true
	tlsServer.Config.ErrorLog = discardLog
	tlsServer.StartTLS()
	t.Cleanup(tlsServer.Close)

	for name, address := range map[string]string{
		"refused":                  "http://" + closedPort(t),
		"TLS refused":              "https://" + closedPort(t),
		"unknown host":             "http://sessiond.invalid",
		"certificate not trusted":  tlsServer.URL,
		"plain text to TLS":        strings.Replace(tlsServer.URL, "https", "http", 1),
		"TLS to plain text":        strings.Replace(rawServer(t, "oops"), "http", "https", 1),
		"ends in mid-call":         rawServer(t, ""),
		"garbage":                  rawServer(t, "220 mail.example ESMTP\r\n"),
		"HTTP/1.1":                 rawServer(t, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"),
		"page of a proxy with 200": webServer(t, http.StatusOK),
		"page of a proxy with 401": webServer(t, http.StatusUnauthorized),
		"page of a proxy with 403": webServer(t, http.StatusForbidden),
		"page of a proxy with 502": webServer(t, http.StatusBadGateway),
	} {
		t.Run(name, func(t *testing.T) {
			eachClient(t, func(t *testing.T, _ string, connect connectFunc) {
				err := validate(t.Context(), connect(address))
				if err == nil || !is503(err) || sessiond.IsReason(err) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestToken(t *testing.T) {
	eachClient(t, func(t *testing.T, flavour string, connect connectFunc) {
		server := &scripted{script: func(context.Context, int) *refusal { return nil }}
		tokens := []string{"one", "two", ""}
		service := connect(server.serve(t, flavour), sessiond.WithTimeout(longTimeout), sessiond.WithTokenFunc(func(context.Context) (string, error) {
			token := tokens[0]
			tokens = tokens[1:]
			if token == "" {
				return "", errors.New("the token file is gone")
			}
			return token, nil
		}))
		for range 2 {
			if err := validate(t.Context(), service); err != nil {
				t.Error(err)
			}
		}
		err := validate(t.Context(), service)
		if codeOf(err) != codes.Unauthenticated || !is503(err) || !strings.Contains(err.Error(), "token file is gone") {
			t.Errorf("got %v", err)
		}
		if want := []string{"Bearer one", "Bearer two"}; !reflect.DeepEqual(server.authorizations, want) {
			t.Errorf("sent %q", server.authorizations)
		}
	})
}

func TestTokenFile(t *testing.T) {
	eachClient(t, func(t *testing.T, flavour string, connect connectFunc) {
		server := &scripted{script: func(context.Context, int) *refusal { return nil }}
		path := filepath.Join(t.TempDir(), "token")
		service := connect(server.serve(t, flavour), sessiond.WithTimeout(longTimeout), sessiond.WithTokenFile(path))
		refused := func(want string) {
			t.Helper()
			err := validate(t.Context(), service)
			if codeOf(err) != codes.Unauthenticated || !is503(err) ||
				!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v", err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error has the content: %v", err)
			}
		}
		refused("cannot be read")
		replaceFile(t, path, "\n")
		refused("is empty")
		replaceFile(t, path, "hunter2 hunter2")
		refused("nothing but one token")
		if count := server.count(); count != 0 {
			t.Errorf("%d calls without a token", count)
		}
		replaceFile(t, path, " first\n")
		if err := validate(t.Context(), service); err != nil {
			t.Fatal(err)
		}
		if want := []string{"Bearer first"}; !reflect.DeepEqual(server.authorizations, want) {
			t.Errorf("sent %q", server.authorizations)
		}
		replaceFile(t, path, "second")
		deadline := time.Now().Add(time.Minute)
		for server.lastAuthorization() != "Bearer second" {
			if err := validate(t.Context(), service); err != nil {
				t.Fatal(err)
			}
			if time.Now().After(deadline) {
				t.Fatal("the new token is never sent")
			}
		}
	})
}

// replaceFile does it as deployments do: whole, under the same name.
func replaceFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestClientCertificateFiles(t *testing.T) {
	var mu sync.Mutex
	var shown [][]byte
	server := httptest.NewUnstartedServer((&scripted{script: func(context.Context, int) *refusal { return nil }}).handler())
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{
		ClientAuth:             tls.RequireAnyClientCert,
		SessionTicketsDisabled: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			mu.Lock()
			defer mu.Unlock()
			shown = append(shown, state.PeerCertificates[0].Raw)
			return nil
		},
	}
	server.Config.ErrorLog = discardLog
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	eachClient(t, func(t *testing.T, _ string, connect connectFunc) {
		certificatePath, keyPath := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
		issue := func() []byte {
			certificate, key := clientCertificate(t)
			replaceFile(t, certificatePath, string(certificate))
			replaceFile(t, keyPath, string(key))
			block, _ := pem.Decode(certificate)
			return block.Bytes
		}
		mu.Lock()
		shown = nil
		mu.Unlock()
		first := issue()
		service := connect(server.URL, sessiond.WithTimeout(longTimeout), sessiond.WithCA(ca), sessiond.WithClientCertificateFiles(certificatePath, keyPath))
		if err := validate(t.Context(), service); err != nil {
			t.Fatal(err)
		}
		second := issue()
		server.CloseClientConnections()
		deadline := time.Now().Add(time.Minute)
		for {
			// The call may still get the connection that ends.
			err := validate(t.Context(), service)
			mu.Lock()
			certificates := slices.Clone(shown)
			mu.Unlock()
			if err == nil && len(certificates) == 2 {
				if !reflect.DeepEqual(certificates, [][]byte{first, second}) {
					t.Error("the new certificate was not shown")
				}
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d connections, %v", len(certificates), err)
			}
		}
	})
	_, err := sessiond.Connect(server.URL, sessiond.WithClientCertificateFiles("/nonexistent/cert.pem", "/nonexistent/key.pem"))
	if err == nil || !strings.Contains(err.Error(), "/nonexistent/cert.pem") {
		t.Errorf("got %v", err)
	}
}

func TestTLS(t *testing.T) {
	certificate, key := clientCertificate(t)
	server := httptest.NewUnstartedServer((&scripted{script: func(context.Context, int) *refusal { return nil }}).handler())
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.Config.ErrorLog = discardLog
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})

	for _, test := range []struct {
		name string
		opts []sessiond.Option
		ok   bool
	}{
		{"CA and client certificate", []sessiond.Option{sessiond.WithCA(ca), sessiond.WithClientCertificate(certificate, key)}, true},
		{"name of the certificate", []sessiond.Option{sessiond.WithCA(ca), sessiond.WithClientCertificate(certificate, key), sessiond.WithServerName("example.com")}, true},
		{"another name", []sessiond.Option{sessiond.WithCA(ca), sessiond.WithClientCertificate(certificate, key), sessiond.WithServerName("example.net")}, false},
		{"no client certificate", []sessiond.Option{sessiond.WithCA(ca)}, false},
		{"another CA", []sessiond.Option{sessiond.WithCA(certificate), sessiond.WithClientCertificate(certificate, key)}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachClient(t, func(t *testing.T, _ string, connect connectFunc) {
				opts := append([]sessiond.Option{sessiond.WithTimeout(longTimeout)}, test.opts...)
				err := validate(t.Context(), connect(server.URL, opts...))
				if (err == nil) != test.ok || err != nil && !is503(err) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestTokenOverPlaintextIsRefused(t *testing.T) {
	for flavour, connect := range clients {
		_, err := connect(t, "http://sessiond.internal:8480", sessiond.WithToken("secret"))
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", flavour, err)
		}
		if _, err := connect(t, "http://sessiond.internal:8480", sessiond.WithToken("secret"), sessiond.AllowTokenOverPlaintext()); err != nil {
			t.Errorf("%s: %v", flavour, err)
		}
	}
}

func TestOptionsOfTheOtherClient(t *testing.T) {
	if _, err := connectclient.Connect("http://127.0.0.1", sessiond.WithDialOptions(grpc.WithUserAgent("x"))); err == nil {
		t.Error("dial options are ignored")
	}
	if _, err := sessiond.Connect("http://127.0.0.1", connectclient.WithClientOptions(connect.WithGRPC())); err == nil {
		t.Error("options of connect-go are ignored")
	}
	if _, err := connectclient.Connect("dns:///sessiond:8480", sessiond.WithPlaintext()); err == nil {
		t.Error("a gRPC target is accepted")
	}
}

// A gRPC target, TLS off explicitly; and another service on the same connection.
func TestTarget(t *testing.T) {
	client, err := sessiond.Connect(strings.TrimPrefix(running.URL, "http://"), sessiond.WithPlaintext())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	response, err := grpc_health_v1.NewHealthClient(client.Conn()).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil || response.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("got %v, %v", response, err)
	}
}

func TestErrorsOfSessiond(t *testing.T) {
	eachClient(t, func(t *testing.T, _ string, connect connectFunc) {
		service := connect(running.URL, sessiond.WithTimeout(longTimeout))
		err := validate(t.Context(), service)
		if !sessiond.IsReason(err, sessiond.ReasonInvalidCookie) || codeOf(err) != codes.Unauthenticated {
			t.Errorf("got %v", err)
		}
		err = create(t.Context(), service)
		e, ok := errors.AsType[*sessiond.Error](err)
		if !ok || e.Reason != sessiond.ReasonInvalidRequest || e.BrowserStatus() != 500 ||
			len(e.Violations) != 1 || e.Violations[0].Field != "actor" {
			t.Errorf("got %v", err)
		}
	})
}

func codeOf(err error) codes.Code {
	if err == nil {
		return codes.OK
	}
	// Only what the client itself returns counts.
	e, ok := err.(*sessiond.Error)
	if !ok {
		return codes.Unknown
	}
	return e.Code
}

func is503(err error) bool { return sessiond.ErrorFrom(err).BrowserStatus() == 503 }

func closedPort(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// rawServer reads a little of every connection, writes an answer and hangs up.
func rawServer(t *testing.T, answer string) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 16))
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		}
	}()
	return "http://" + listener.Addr().String()
}

// webServer answers every request with a page.
func webServer(t *testing.T, status int) string {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<h1>Welcome</h1>")
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

func clientCertificate(t *testing.T) (certificatePEM, keyPEM []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyBytes, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyBytes})
}
