package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
)

// tlsFiles are the paths of PEM files. Without ca, connections use no TLS.
type tlsFiles struct {
	ca          string
	certificate string // of the client; empty: it presents none
	key         string
}

// config reads the files. It returns nil if connections use no TLS.
func (f tlsFiles) config() (*tls.Config, error) {
	if f.ca == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(f.ca)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: x509.NewCertPool(), NextProtos: []string{"h2"}}
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate", f.ca)
	}
	if f.certificate != "" {
		pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// dial opens a connection, with TLS if there is a config. The handshake is complete then.
func dial(host string, config *tls.Config) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: openLimit}
	if config == nil {
		return dialer.Dial("tcp", host)
	}
	conn, err := tls.DialWithDialer(dialer, "tcp", host, config)
	if err != nil {
		return nil, err // not a nil *tls.Conn
	}
	return conn, nil
}
