// Package connectclient is a client of sessiond over the Connect protocol, or gRPC with connect-go.
// It has the options, rules and errors of package sessiond.
package connectclient

import (
	"context"
	"errors"
	"net/http"
	"time"

	"connectrpc.com/connect"
	sessiond "github.com/sessiond/sessiond/clients/go"
	"github.com/sessiond/sessiond/clients/go/internal/options"
	sessiondv1 "github.com/sessiond/sessiond/gen/go/sessiond/v1"
	"github.com/sessiond/sessiond/gen/go/sessiond/v1/sessiondv1connect"
	"google.golang.org/grpc"
)

// Client calls sessiond with connect-go. It is safe for concurrent use; a process needs one.
type Client struct {
	sessiondv1connect.SessionServiceClient
	transport *http.Transport
}

// Connect returns a client of the sessiond at an address, `http://host[:port]` for plain text (HTTP/2
// without TLS) or `https://host[:port]` for TLS. The rest is as in sessiond.Connect, except that
// all calls go over one connection to one address of the host.
func Connect(address string, opts ...sessiond.Option) (*Client, error) {
	config, err := options.New(address, opts)
	if err != nil {
		return nil, err
	}
	if config.Address.URL == "" {
		return nil, errors.New("sessiond: Connect needs an address http://host[:port] or https://host[:port]")
	}
	if len(config.DialOptions) > 0 {
		return nil, errors.New("sessiond: WithDialOptions is only for sessiond.Connect")
	}
	transport := &http.Transport{
		Protocols:       new(http.Protocols),
		TLSClientConfig: config.TLSConfig,
		HTTP2: &http.HTTP2Config{
			SendPingTimeout: config.KeepAliveInterval,
			PingTimeout:     config.KeepAliveTimeout,
		},
	}
	if config.Address.TLS {
		transport.Protocols.SetHTTP2(true)
		transport.Proxy = http.ProxyFromEnvironment
	} else {
		transport.Protocols.SetUnencryptedHTTP2(true)
	}
	clientOptions := append([]connect.ClientOption{connect.WithInterceptors(interceptor{config})}, config.ClientOptions...)
	httpClient := &http.Client{
		Transport: transport,
		// sessiond never redirects. Cookies and tokens must not follow what another server says.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	client := sessiondv1connect.NewSessionServiceClient(httpClient, config.Address.URL, clientOptions...)
	return &Client{client, transport}, nil
}

// WithClientOptions adds options of connect-go, after those of this package, such as
// connect.WithGRPC(). Only for [Connect].
func WithClientOptions(opts ...connect.ClientOption) sessiond.Option {
	return func(c *options.Config) { c.ClientOptions = append(c.ClientOptions, opts...) }
}

// Close ends the connections that no call uses.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Service returns the client as sessiond.NewSessions needs it.
func (c *Client) Service() sessiond.Service { return service{c} }

type service struct{ client *Client }

func (s service) Create(ctx context.Context, request *sessiondv1.CreateRequest, _ ...grpc.CallOption) (*sessiondv1.CreateResponse, error) {
	return message(s.client.Create(ctx, connect.NewRequest(request)))
}

func (s service) Validate(ctx context.Context, request *sessiondv1.ValidateRequest, _ ...grpc.CallOption) (*sessiondv1.ValidateResponse, error) {
	return message(s.client.Validate(ctx, connect.NewRequest(request)))
}

func (s service) Revoke(ctx context.Context, request *sessiondv1.RevokeRequest, _ ...grpc.CallOption) (*sessiondv1.RevokeResponse, error) {
	return message(s.client.Revoke(ctx, connect.NewRequest(request)))
}

func message[T any](response *connect.Response[T], err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return response.Msg, nil
}

// interceptor gives every call a deadline and the token, retries it, and makes every failure a
// *sessiond.Error.
type interceptor struct{ config *options.Config }

func (i interceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
		ctx, cancel := i.config.WithDeadline(ctx)
		defer cancel()
		authorization, err := i.config.Authorization(ctx)
		if err != nil {
			return nil, sessiond.ErrorFrom(connect.NewError(connect.CodeUnauthenticated, err))
		}
		if authorization != "" {
			request.Header().Set("Authorization", authorization)
		}
		for attempt := 1; ; attempt++ {
			response, err := next(ctx, request)
			if err == nil {
				return response, nil
			}
			failure := sessiond.ErrorFrom(notCanceled(ctx, err))
			wait, retry := i.nextAttempt(ctx, request.Spec().Procedure, attempt, failure)
			if !retry {
				return nil, failure
			}
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return nil, sessiond.ErrorFrom(ctx.Err())
			}
		}
	}
}

// notCanceled returns UNAVAILABLE for a cancellation that is not the caller's. That is how net/http's
// HTTP/2 reports some connections that broke while the call was under way.
func notCanceled(ctx context.Context, err error) error {
	if connect.CodeOf(err) == connect.CodeCanceled && ctx.Err() == nil {
		return connect.NewError(connect.CodeUnavailable, err)
	}
	return err
}

// nextAttempt returns how long to wait before the next attempt, and whether there is one.
func (i interceptor) nextAttempt(
	ctx context.Context, procedure string, attempt int, failure *sessiond.Error,
) (time.Duration, bool) {
	if !i.config.Retry || attempt >= options.MaxAttempts || !options.Retryable(procedure, failure.Code) {
		return 0, false
	}
	wait := failure.RetryDelay
	if wait == 0 {
		wait = options.Backoff(attempt)
	}
	deadline, ok := ctx.Deadline()
	return wait, !ok || wait < time.Until(deadline)
}

func (interceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func (interceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}
