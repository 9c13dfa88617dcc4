// Package sessiond is a client of the session service sessiond, over gRPC, with middleware for
// net/http.
//
// [Connect] returns the generated client, ready to use. [NewSessions] makes middleware and the
// helpers for login and logout of it. Failures are of type [*Error].
package sessiond

import (
	"context"
	"errors"
	"time"

	"github.com/sessiond/sessiond/clients/go/internal/options"
	sessiondv1 "github.com/sessiond/sessiond/gen/go/sessiond/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// Client calls sessiond over gRPC. It is safe for concurrent use; a process needs one.
type Client struct {
	sessiondv1.SessionServiceClient
	conn *grpc.ClientConn
}

// Connect returns a client of the sessiond at an address: `http://host[:port]` is plain text (h2c),
// `https://host[:port]` is TLS; the default ports are 80 and 443. With [WithPlaintext] or [WithTLS],
// it can also be any target that grpc-go knows. Calls are distributed over all addresses that the
// host name has.
//
// No connection is made before the first call. After an outage, the client tries to connect at least
// every 3 s while there are calls. An error means that the address or the options are wrong. The
// caller must call Close.
func Connect(address string, opts ...Option) (*Client, error) {
	config, err := options.New(address, opts)
	if err != nil {
		return nil, err
	}
	if len(config.ClientOptions) > 0 {
		return nil, errors.New("sessiond: WithClientOptions is only for connectclient.Connect")
	}
	conn, err := grpc.NewClient(config.Address.Target, dialOptions(config)...)
	if err != nil {
		return nil, err
	}
	return &Client{sessiondv1.NewSessionServiceClient(conn), conn}, nil
}

// Close ends the connections. Calls in flight fail with CANCELED.
func (c *Client) Close() error { return c.conn.Close() }

// Conn returns the connection, for other services of the same server, such as grpc.health.v1.
func (c *Client) Conn() *grpc.ClientConn { return c.conn }

func dialOptions(config *options.Config) []grpc.DialOption {
	security := insecure.NewCredentials()
	if config.TLSConfig != nil {
		security = credentials.NewTLS(config.TLSConfig)
	}
	// The default would wait up to 2 minutes between two attempts to connect.
	reconnect := backoff.Config{
		BaseDelay:  100 * time.Millisecond,
		Multiplier: 1.6,
		Jitter:     0.2,
		MaxDelay:   3 * time.Second,
	}
	opts := []grpc.DialOption{
		grpc.WithTransportCredentials(security),
		grpc.WithDefaultServiceConfig(options.ServiceConfig(config.Retry)),
		// A DNS TXT record could turn retries of calls on that are not idempotent.
		grpc.WithDisableServiceConfig(),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnect, MinConnectTimeout: 5 * time.Second}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time:    config.KeepAliveInterval,
			Timeout: config.KeepAliveTimeout,
		}),
		grpc.WithChainUnaryInterceptor(intercept(config)),
	}
	if !config.Retry {
		opts = append(opts, grpc.WithDisableRetry())
	} else {
		opts = append(opts, grpc.WithStatsHandler(attemptHandler{}))
	}
	if config.Token != nil {
		opts = append(opts, grpc.WithPerRPCCredentials(bearer{config}))
	}
	return append(opts, config.DialOptions...)
}

// intercept gives every call a deadline and makes every failure an *Error.
func intercept(config *options.Config) grpc.UnaryClientInterceptor {
	return func(
		ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
		invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
	) error {
		ctx, cancel := config.WithDeadline(ctx)
		defer cancel()
		ctx, attempts := withAttempts(ctx, cancel)
		err := invoke(ctx, method, req, reply, cc, opts...)
		if err == nil {
			return nil
		}
		return ErrorFrom(attempts.outcome(err))
	}
}

type bearer struct{ config *options.Config }

func (b bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	value, err := b.config.Authorization(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": value}, nil
}

// RequireTransportSecurity is false because Connect has already refused what is not allowed.
func (bearer) RequireTransportSecurity() bool { return false }
