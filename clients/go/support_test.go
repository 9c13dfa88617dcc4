package sessiond_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	sessiond "github.com/sessiond/sessiond/clients/go"
	"github.com/sessiond/sessiond/clients/go/connectclient"
	"github.com/sessiond/sessiond/clients/go/sessiondtest"
	sessiondv1 "github.com/sessiond/sessiond/gen/go/sessiond/v1"
	"github.com/sessiond/sessiond/gen/go/sessiond/v1/sessiondv1connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// running is one sessiond for all tests of this package.
var running *sessiondtest.Server

func TestMain(m *testing.M) {
	var err error
	if running, err = sessiondtest.Start(sessiondtest.WithCookieSecure(false)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := running.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// clients connect with each flavour.
var clients = map[string]func(t testing.TB, address string, opts ...sessiond.Option) (sessiond.Service, error){
	"grpc": func(t testing.TB, address string, opts ...sessiond.Option) (sessiond.Service, error) {
		client, err := sessiond.Connect(address, opts...)
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { _ = client.Close() })
		return client, nil
	},
	"connect": func(t testing.TB, address string, opts ...sessiond.Option) (sessiond.Service, error) {
		client, err := connectclient.Connect(address, opts...)
		if err != nil {
			return nil, err
		}
		t.Cleanup(client.Close)
		return client.Service(), nil
	},
}

func eachClient(t *testing.T, test func(t *testing.T, flavour string, connect func(address string, opts ...sessiond.Option) sessiond.Service)) {
	for flavour, connect := range clients {
		t.Run(flavour, func(t *testing.T) {
			test(t, flavour, func(address string, opts ...sessiond.Option) sessiond.Service {
				t.Helper()
				service, err := connect(t, address, opts...)
				if err != nil {
					t.Fatal(err)
				}
				return service
			})
		})
	}
}

// scripted is a server that answers its calls, which are counted from 1, as a function says.
type scripted struct {
	sessiondv1.UnimplementedSessionServiceServer
	script func(ctx context.Context, call int) *refusal

	mu             sync.Mutex
	calls          int
	authorizations []string
}

type refusal struct {
	code       codes.Code
	reason     sessiondv1.ErrorReason
	retryDelay time.Duration
}

func (r *refusal) details() []proto.Message {
	var details []proto.Message
	if r.reason != 0 {
		details = append(details, detail(r.reason, 503))
	}
	if r.retryDelay != 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(r.retryDelay)})
	}
	return details
}

func (s *scripted) answer(ctx context.Context, authorization []string) *refusal {
	s.mu.Lock()
	s.calls++
	call := s.calls
	s.authorizations = append(s.authorizations, authorization...)
	s.mu.Unlock()
	return s.script(ctx, call)
}

func (s *scripted) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// lastAuthorization returns that of the latest call, or "".
func (s *scripted) lastAuthorization() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.authorizations) == 0 {
		return ""
	}
	return s.authorizations[len(s.authorizations)-1]
}

func (s *scripted) grpc(ctx context.Context) error {
	md, _ := metadata.FromIncomingContext(ctx)
	r := s.answer(ctx, md.Get("authorization"))
	if r == nil {
		return nil
	}
	if r.retryDelay != 0 {
		pushback := strconv.FormatInt(r.retryDelay.Milliseconds(), 10)
		if err := grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", pushback)); err != nil {
			return err
		}
	}
	return flavours["grpc"](nil, r.code, "scripted", r.details()...)
}

var session = &sessiondv1.Session{Id: "ses-1", ActorId: "alice"}

func (s *scripted) Validate(ctx context.Context, _ *sessiondv1.ValidateRequest) (*sessiondv1.ValidateResponse, error) {
	return &sessiondv1.ValidateResponse{Session: session}, s.grpc(ctx)
}

func (s *scripted) Create(ctx context.Context, _ *sessiondv1.CreateRequest) (*sessiondv1.CreateResponse, error) {
	return &sessiondv1.CreateResponse{Session: session}, s.grpc(ctx)
}

// connectHandler has the same calls for connect-go, which also serves gRPC.
type connectHandler struct {
	sessiondv1connect.UnimplementedSessionServiceHandler
	script *scripted
}

func (h connectHandler) answer(ctx context.Context, header http.Header) error {
	r := h.script.answer(ctx, header.Values("Authorization"))
	if r == nil {
		return nil
	}
	return flavours["connect"](nil, r.code, "scripted", r.details()...)
}

func (h connectHandler) Validate(ctx context.Context, r *connect.Request[sessiondv1.ValidateRequest]) (*connect.Response[sessiondv1.ValidateResponse], error) {
	return connect.NewResponse(&sessiondv1.ValidateResponse{Session: session}), h.answer(ctx, r.Header())
}

func (h connectHandler) Create(ctx context.Context, r *connect.Request[sessiondv1.CreateRequest]) (*connect.Response[sessiondv1.CreateResponse], error) {
	return connect.NewResponse(&sessiondv1.CreateResponse{Session: session}), h.answer(ctx, r.Header())
}

func (s *scripted) handler() http.Handler {
	_, handler := sessiondv1connect.NewSessionServiceHandler(connectHandler{script: s})
	return handler
}

// serve starts the server for a flavour and returns its address.
func (s *scripted) serve(t testing.TB, flavour string) string {
	if flavour == "connect" {
		server := httptest.NewUnstartedServer(s.handler())
		server.Config.Protocols = new(http.Protocols)
		server.Config.Protocols.SetUnencryptedHTTP2(true)
		server.Start()
		t.Cleanup(server.Close)
		return server.URL
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	sessiondv1.RegisterSessionServiceServer(server, s)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return "http://" + listener.Addr().String()
}

// discardLog is for servers whose clients fail on purpose.
var discardLog = log.New(io.Discard, "", 0)

// browser keeps cookies.
type browser struct {
	t      *testing.T
	url    string
	client http.Client
}

func newBrowser(t *testing.T, application http.Handler) *browser {
	server := httptest.NewServer(application)
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, server.URL, http.Client{Jar: jar}}
}

func (b *browser) get(path string) (status int, body string) {
	b.t.Helper()
	return b.read(b.client.Get(b.url + path))
}

func (b *browser) post(path string, fields ...string) (status int, body string) {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.read(b.client.PostForm(b.url+path, form))
}

func (b *browser) read(response *http.Response, err error) (int, string) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return response.StatusCode, strings.TrimSpace(string(body))
}
