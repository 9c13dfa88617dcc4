package options

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Address is where sessiond is.
type Address struct {
	// URL is scheme, host and port. Empty for a gRPC target that is no such URL.
	URL string
	// Target is the gRPC target.
	Target string
	TLS    bool
	host   string
}

const expected = "sessiond: the address must be http://host[:port] or https://host[:port]"

// parseAddress accepts a URL, or any gRPC target if security says how to connect to it. Its errors
// do not repeat the address, which can contain a password.
func parseAddress(address string, security Security) (Address, error) {
	scheme, _, _ := strings.Cut(address, "://")
	switch scheme = strings.ToLower(scheme); scheme {
	case "http", "https":
		return parseURL(address, security)
	}
	if security == FromAddress || address == "" {
		return Address{}, errors.New(expected + "; another gRPC target needs WithPlaintext or WithTLS")
	}
	return Address{Target: address, TLS: security == TLS, host: targetHost(address)}, nil
}

func parseURL(address string, security Security) (Address, error) {
	u, err := url.Parse(address)
	if err != nil {
		return Address{}, errors.New(expected)
	}
	switch {
	case u.Hostname() == "":
		return Address{}, errors.New(expected + "; it has no host")
	case u.User != nil:
		return Address{}, errors.New(expected + ", without user info; WithToken authenticates the caller")
	case u.Path != "" && u.Path != "/":
		return Address{}, errors.New(expected + ", without a path")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(address, "#"):
		return Address{}, errors.New(expected + ", without a query or a fragment")
	}
	tls := u.Scheme == "https"
	if security == TLS && !tls || security == Plaintext && tls {
		return Address{}, errors.New("sessiond: WithPlaintext needs http://, WithTLS needs https://")
	}
	port := u.Port()
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[tls]
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return Address{}, fmt.Errorf("%s; the port must be 1 to 65535", expected)
	}
	hostPort := net.JoinHostPort(u.Hostname(), port)
	// A zone is escaped in a URL, but not in a gRPC target.
	base := url.URL{Scheme: u.Scheme, Host: hostPort}
	return Address{URL: base.String(), Target: "dns:///" + hostPort, TLS: tls, host: u.Hostname()}, nil
}

// targetHost returns the host of a gRPC target, or "" if that is not known.
func targetHost(target string) string {
	if strings.HasPrefix(target, "unix:") || strings.HasPrefix(target, "unix-abstract:") {
		return "localhost"
	}
	if i := strings.LastIndexByte(target, '/'); i >= 0 {
		target = target[i+1:]
	}
	if host, _, err := net.SplitHostPort(target); err == nil {
		return host
	}
	return target
}

func (a Address) loopback() bool {
	if strings.EqualFold(a.host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(a.host)
	return err == nil && ip.Unmap().IsLoopback()
}
