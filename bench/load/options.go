package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
)

// The values of -protocol and -order.
const (
	protocolGRPC  = "grpc"
	protocolHTTP1 = "http1"
	random        = "random"
	sequential    = "sequential"
)

// options is the checked command line.
type options struct {
	url         *url.URL
	protocol    string
	inFlight    int
	connections int
	duration    time.Duration
	warmup      time.Duration
	// warmupWindow and warmupLimit replace warmup if warmupWindow is not 0.
	warmupWindow time.Duration
	warmupLimit  time.Duration
	hold         time.Duration
	timeout      time.Duration
	calls        int64
	requests     string
	order        string
	seed         uint64
	expectStatus string
	procs        int
	cpuProfile   string
	// authorization is the value of the Authorization header of each call; empty: none.
	authorization string
	tls           tlsFiles
	serverPid     int
	databasePid   int
}

// parseOptions reads the command line without the program's name. Usage and errors of syntax go
// to usage.
func parseOptions(arguments []string, usage io.Writer) (options, error) {
	var o options
	var target string
	flags := flag.NewFlagSet("sessiond-bench-load", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.StringVar(&target, "url", "",
		"where to call, http://host:port/path; for gRPC the path is /package.Service/Method, and "+
			"https needs -ca")
	flags.StringVar(&o.protocol, "protocol", protocolGRPC,
		"grpc (unary calls over HTTP/2) or http1 (GET requests)")
	flags.IntVar(&o.inFlight, "in-flight", 1, "calls in flight, over all connections")
	flags.IntVar(&o.connections, "connections", 0,
		"connections to spread them over; 0 takes 8, or fewer with fewer calls in flight; "+
			"with http1 always one for each call in flight")
	flags.DurationVar(&o.duration, "duration", 5*time.Second, "how long to measure")
	flags.DurationVar(&o.warmup, "warmup", time.Second, "how long to make calls before measuring")
	flags.DurationVar(&o.warmupWindow, "warmup-window", 0,
		"instead of for -warmup, make calls until the rates of windows of this length are steady: "+
			"until the median of three differs by at most 5 % from that of the three before")
	flags.DurationVar(&o.warmupLimit, "warmup-limit", 20*time.Second,
		"how long to do so at most")
	flags.Int64Var(&o.calls, "calls", 0,
		"how many calls to measure, instead of -duration; 0 leaves it to -duration")
	flags.DurationVar(&o.hold, "hold", 0,
		"how long to leave all connections idle before the first call, and after the last one, "+
			"so that the server's memory can be read")
	flags.StringVar(&o.requests, "requests", "",
		"file of items, each a 4-byte big-endian length and that many bytes: request messages, or "+
			"values of the Cookie header with http1 (empty: no cookie); unset, one empty item")
	flags.StringVar(&o.order, "order", random,
		"random (each call draws from all items) or sequential (each item is used once, by the "+
			"warm-up too, and the run ends when none is left)")
	flags.Uint64Var(&o.seed, "seed", 1, "seed of the random order")
	flags.StringVar(&o.expectStatus, "expect-status", "",
		"the grpc-status or HTTP status that counts as success; unset, 0 or 200")
	flags.DurationVar(&o.timeout, "timeout", 0,
		"deadline to send along as grpc-timeout; 0 sends none")
	flags.IntVar(&o.procs, "procs", 1,
		"processors to use at most (GOMAXPROCS); with 1 the others are left to the server")
	flags.StringVar(&o.authorization, "authorization", "",
		"value of the Authorization header to send along, such as \"Bearer TOKEN\"; unset, none")
	flags.StringVar(&o.tls.ca, "ca", "", "file with the certificate that https servers are trusted by")
	flags.StringVar(&o.tls.certificate, "cert", "", "file with the client's certificate; needs -key")
	flags.StringVar(&o.tls.key, "key", "", "file with the key of -cert")
	flags.IntVar(&o.serverPid, "server-pid", 0,
		"process whose CPU time to report, with that of its descendants, from /proc, as long as calls "+
			"are measured; 0 reports none")
	flags.IntVar(&o.databasePid, "database-pid", 0, "the same for PostgreSQL's first process")
	flags.StringVar(&o.cpuProfile, "cpuprofile", "", "file to write a CPU profile to, for pprof")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	var err error
	if o.url, err = url.Parse(target); err != nil {
		return o, fmt.Errorf("-url: %w", err)
	}
	return o.complete()
}

// complete fills in what depends on other options, and checks all of them.
func (o options) complete() (options, error) {
	if o.connections == 0 {
		o.connections = min(o.inFlight, 8)
		if o.protocol == protocolHTTP1 {
			o.connections = o.inFlight
		}
	}
	if o.expectStatus == "" {
		o.expectStatus = "0"
		if o.protocol == protocolHTTP1 {
			o.expectStatus = "200"
		}
	}
	if o.url.Port() == "" && o.url.Host != "" {
		o.url.Host += ":" + map[string]string{"http": "80", "https": "443"}[o.url.Scheme]
	}
	for _, rule := range []struct {
		ok      bool
		message string
	}{
		{(o.url.Scheme == "http" || o.url.Scheme == "https") && o.url.Hostname() != "",
			"-url must be given, as http://host:port/path or https://host:port/path"},
		{(o.url.Scheme == "https") == (o.tls.ca != ""), "-ca and https need each other"},
		{o.url.Scheme == "http" || o.protocol == protocolGRPC, "https needs -protocol grpc"},
		{(o.tls.certificate == "") == (o.tls.key == ""), "-cert and -key need each other"},
		{o.tls.certificate == "" || o.tls.ca != "", "-cert needs -ca"},
		{!strings.ContainsAny(o.authorization, "\r\n"), "-authorization must be one line"},
		{o.authorization == "" || o.protocol == protocolGRPC, "-authorization needs -protocol grpc"},
		{o.serverPid >= 0, "-server-pid must not be negative"},
		{o.databasePid >= 0, "-database-pid must not be negative"},
		{o.protocol == protocolGRPC || o.protocol == protocolHTTP1,
			"-protocol must be grpc or http1"},
		{o.order == random || o.order == sequential, "-order must be random or sequential"},
		{o.inFlight >= 1, "-in-flight must be at least 1"},
		{o.connections >= 1, "-connections must not be negative"},
		{o.protocol != protocolHTTP1 || o.connections == o.inFlight,
			"-connections must equal -in-flight with -protocol http1"},
		{o.duration > 0, "-duration must be positive"},
		{o.warmup >= 0 && o.hold >= 0 && o.timeout >= 0 && o.calls >= 0,
			"-warmup, -hold, -timeout and -calls must not be negative"},
		{o.warmupWindow >= 0 && o.warmupLimit > 0,
			"-warmup-window must not be negative, and -warmup-limit must be positive"},
		{o.timeout == 0 || o.timeout >= time.Millisecond, "-timeout must be at least 1ms"},
		{o.timeout == 0 || o.protocol == protocolGRPC, "-timeout needs -protocol grpc"},
		{o.procs >= 1, "-procs must be at least 1"},
	} {
		if !rule.ok {
			return o, errors.New(rule.message)
		}
	}
	return o, nil
}
