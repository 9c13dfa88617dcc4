// Package options has the options of a connection, which the gRPC and the Connect client share.
package options

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
)

// Security tells how the connection is protected.
type Security int

const (
	// FromAddress takes it from the scheme of the address.
	FromAddress Security = iota
	// Plaintext is HTTP/2 without TLS.
	Plaintext
	// TLS is HTTP/2 over TLS.
	TLS
)

// Config is what the options set. Its zero value is not valid; use [New].
type Config struct {
	Timeout            time.Duration
	Retry              bool
	CA                 []byte
	CertificatePEM     []byte
	KeyPEM             []byte
	CertificatePath    string
	KeyPath            string
	ServerName         string
	KeepAliveInterval  time.Duration
	KeepAliveTimeout   time.Duration
	Token              func(context.Context) (string, error)
	TokenOverPlaintext bool
	Security           Security
	DialOptions        []grpc.DialOption
	ClientOptions      []connect.ClientOption

	Address   Address
	TLSConfig *tls.Config // nil for plain text
}

// Option sets a part of a [Config].
type Option func(*Config)

// New applies the options to the defaults and checks them together with the address.
func New(address string, opts []Option) (*Config, error) {
	c := &Config{
		Timeout:           2 * time.Second,
		Retry:             true,
		KeepAliveInterval: 30 * time.Second,
		KeepAliveTimeout:  10 * time.Second,
	}
	for _, opt := range opts {
		opt(c)
	}
	if c.Timeout <= 0 {
		return nil, fmt.Errorf("sessiond: the timeout must be positive, not %s", c.Timeout)
	}
	if c.KeepAliveInterval <= 0 || c.KeepAliveTimeout <= 0 {
		return nil, errors.New("sessiond: the interval and the timeout of the keep-alive must be positive")
	}
	var err error
	if c.Address, err = parseAddress(address, c.Security); err != nil {
		return nil, err
	}
	if c.TLSConfig, err = c.tlsConfig(); err != nil {
		return nil, err
	}
	if c.Token != nil && !c.Address.TLS && !c.Address.loopback() && !c.TokenOverPlaintext {
		return nil, errors.New("sessiond: a token is not sent over plain text to another host: " +
			"use https://, or AllowTokenOverPlaintext if the network is trusted")
	}
	return c, nil
}

func (c *Config) tlsConfig() (*tls.Config, error) {
	if !c.Address.TLS {
		if c.CA != nil || c.CertificatePEM != nil || c.CertificatePath != "" || c.ServerName != "" {
			return nil, errors.New("sessiond: a CA, a client certificate and a server name need https://")
		}
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if c.CA != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(c.CA) {
			return nil, errors.New("sessiond: the CA must have at least one certificate in PEM")
		}
	}
	if c.CertificatePEM != nil {
		certificate, err := tls.X509KeyPair(c.CertificatePEM, c.KeyPEM)
		if err != nil {
			return nil, fmt.Errorf("sessiond: the client certificate and its key: %w", err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	if c.CertificatePath != "" || c.KeyPath != "" {
		if c.CertificatePEM != nil {
			return nil, errors.New("sessiond: WithClientCertificate and WithClientCertificateFiles exclude each other")
		}
		if _, err := c.readCertificate(); err != nil {
			return nil, err
		}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return c.readCertificate()
		}
	}
	return config, nil
}

func (c *Config) readCertificate() (*tls.Certificate, error) {
	certificate, err := tls.LoadX509KeyPair(c.CertificatePath, c.KeyPath)
	if err != nil {
		return nil, fmt.Errorf("sessiond: the files of the client certificate and its key: %w", err)
	}
	return &certificate, nil
}

// Authorization returns the value of the authorization header for a call, or "" without a token.
func (c *Config) Authorization(ctx context.Context) (string, error) {
	if c.Token == nil {
		return "", nil
	}
	token, err := c.Token(ctx)
	if err != nil {
		return "", fmt.Errorf("sessiond: the token: %w", err)
	}
	if token == "" || !isVisibleASCII(token) {
		return "", errors.New("sessiond: the token must not be empty and must be visible ASCII")
	}
	return "Bearer " + token, nil
}

func isVisibleASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

type ambientDeadline struct{}

// AmbientDeadline marks the deadline of a context as that of something larger than one call, such
// as a web request. It limits a call, but does not replace the timeout of the client.
func AmbientDeadline(ctx context.Context) context.Context {
	return context.WithValue(ctx, ambientDeadline{}, true)
}

// WithDeadline returns the context of a call: with the caller's deadline, or else the timeout.
func (c *Config) WithDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok && ctx.Value(ambientDeadline{}) == nil {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.Timeout)
}
