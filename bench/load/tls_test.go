package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// selfSigned writes a certificate that signs itself, for servers on 127.0.0.1 and for clients, and its key
// to files of a directory, and returns their paths.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, content []byte) string {
		path := filepath.Join(t.TempDir(), name)
		block := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
		if err := os.WriteFile(path, block, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", pkcs8)
}

// serveTLS starts a server that requires client certificates which the file trusts, and returns its URL.
func serveTLS(t *testing.T, certificate, key string, handler http.HandlerFunc) string {
	t.Helper()
	config, err := tlsFiles{ca: certificate, certificate: certificate, key: key}.config()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{
		Certificates: config.Certificates,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    config.RootCAs,
	}
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

func TestGRPCOverTLSWithAClientCertificate(t *testing.T) {
	certificate, key := selfSigned(t)
	url := serveTLS(t, certificate, key, unary(echo))
	// Items of several read buffers, so that both sides have to read while they write.
	items := [][]byte{make([]byte, 10), make([]byte, 100_000)}
	result := load(t, url+"/a.B/C", items, "-in-flight", "32", "-connections", "3",
		"-calls", "500", "-warmup", "10ms", "-ca", certificate, "-cert", certificate, "-key", key)
	expectCalls(t, result, 500)
}

func TestTLSWithoutTheClientCertificateFails(t *testing.T) {
	certificate, key := selfSigned(t)
	url := serveTLS(t, certificate, key, unary(echo))
	o, err := parseOptions([]string{
		"-url", url + "/a.B/C", "-ca", certificate, "-calls", "5", "-warmup", "0s"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	list, err := loadRequests("")
	if err != nil {
		t.Fatal(err)
	}
	result, err := newRun(o, list).execute()
	if err == nil {
		err = result.check()
	}
	if err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("the error is %v, want one about the certificate", err)
	}
}
