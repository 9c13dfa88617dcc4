package sessiond

import (
	"context"
	"time"

	"github.com/sessiond/sessiond/clients/go/internal/options"
	"google.golang.org/grpc"
)

// Option changes how [Connect], and Connect of package connectclient, connect and call.
type Option = options.Option

// WithTimeout sets the time that a call may take, retries included, if its context has no deadline.
// It must be positive; the default is 2 s. A deadline of the context replaces it. The middleware
// never waits longer, even if the web request has a later deadline.
func WithTimeout(timeout time.Duration) Option {
	return func(c *options.Config) { c.Timeout = timeout }
}

// WithoutRetry turns retries off. By default, a call of an idempotent method that fails with
// UNAVAILABLE or RESOURCE_EXHAUSTED is made up to 3 times within its deadline.
func WithoutRetry() Option {
	return func(c *options.Config) { c.Retry = false }
}

// WithCA sets the certificates, in PEM, of the authorities that may have signed the server's
// certificate. The default is those of the system.
func WithCA(pem []byte) Option {
	return func(c *options.Config) { c.CA = append([]byte{}, pem...) }
}

// WithClientCertificate sets the certificate that the client shows (mTLS), and its key, in PEM.
func WithClientCertificate(certificatePEM, keyPEM []byte) Option {
	return func(c *options.Config) {
		c.CertificatePEM = append([]byte{}, certificatePEM...)
		c.KeyPEM = append([]byte{}, keyPEM...)
	}
}

// WithClientCertificateFiles is [WithClientCertificate] with the paths of two files, which are read for
// each new connection. Connect fails if they are not usable. While they are not later, connections
// fail, and calls with UNAVAILABLE.
func WithClientCertificateFiles(certificatePath, keyPath string) Option {
	return func(c *options.Config) {
		c.CertificatePath, c.KeyPath = certificatePath, keyPath
	}
}

// WithServerName sets the name that the server's certificate must have. The default is the host of
// the address.
func WithServerName(name string) Option {
	return func(c *options.Config) { c.ServerName = name }
}

// WithKeepAlive sets after what time without data, while calls are waiting, the connection is
// tested with a ping, and how long to wait for its answer. The defaults are 30 s and 10 s. gRPC
// raises an interval below 10 s to 10 s.
func WithKeepAlive(interval, timeout time.Duration) Option {
	return func(c *options.Config) { c.KeepAliveInterval, c.KeepAliveTimeout = interval, timeout }
}

// WithToken sends the token with every call, as `authorization: Bearer <token>`. Over plain text to a
// host that is not loopback, Connect refuses it; see [AllowTokenOverPlaintext].
func WithToken(token string) Option {
	return WithTokenFunc(func(context.Context) (string, error) { return token, nil })
}

// WithTokenFunc is [WithToken] with a function that is called for every call. If it fails, so does
// the call, with UNAUTHENTICATED and without a reason.
func WithTokenFunc(token func(context.Context) (string, error)) Option {
	return func(c *options.Config) { c.Token = token }
}

// WithTokenFile is [WithToken] with the path of a file, such as a service account token of Kubernetes or
// a JWT-SVID. Space around the token is ignored. The file is read at most once a second, when there are
// calls, so that a new token needs no new connection. While it cannot be read or has no token, calls
// fail with UNAUTHENTICATED and without a reason; the error names the file.
func WithTokenFile(path string) Option {
	file := &options.TokenFile{Path: path}
	return WithTokenFunc(func(context.Context) (string, error) { return file.Token() })
}

// AllowTokenOverPlaintext permits a token over plain text to any host, for a network that is trusted
// or protected by a service mesh.
func AllowTokenOverPlaintext() Option {
	return func(c *options.Config) { c.TokenOverPlaintext = true }
}

// WithPlaintext connects without TLS to an address that is a gRPC target and no URL, such as
// `dns:///sessiond.internal:8480`.
func WithPlaintext() Option {
	return func(c *options.Config) { c.Security = options.Plaintext }
}

// WithTLS connects with TLS to an address that is a gRPC target and no URL.
func WithTLS() Option {
	return func(c *options.Config) { c.Security = options.TLS }
}

// WithDialOptions adds options of grpc-go, after those of this package. Only for [Connect].
func WithDialOptions(opts ...grpc.DialOption) Option {
	return func(c *options.Config) { c.DialOptions = append(c.DialOptions, opts...) }
}
