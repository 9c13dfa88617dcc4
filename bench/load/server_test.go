package main

import (
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"testing"
)

// serve starts a server for both protocols and returns its base URL. Its HTTP/2 settings may be
// nil.
func serve(t *testing.T, settings *http.HTTP2Config, handler http.HandlerFunc) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, HTTP2: settings, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return "http://" + listener.Addr().String()
}

// unary answers gRPC calls with what answer makes of the request message. It panics, which resets
// the stream, if the request is not one whole message.
func unary(answer func(message []byte) []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Te") != "trailers" ||
			r.Header.Get("Content-Type") != "application/grpc" || len(body) < grpcPrefixBytes ||
			int(binary.BigEndian.Uint32(body[1:])) != len(body)-grpcPrefixBytes {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/grpc")
		w.Write(appendMessage(nil, answer(body[grpcPrefixBytes:])))
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	}
}

// load runs the generator with the arguments against the URL, and the items if there are any.
func load(t *testing.T, url string, items [][]byte, arguments ...string) *report {
	t.Helper()
	o, err := parseOptions(append([]string{"-url", url}, arguments...), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	list, err := loadRequests("")
	if items != nil {
		list, err = newRequests(encodeItems(items...))
	}
	if err != nil {
		t.Fatal(err)
	}
	result, err := newRun(o, list).execute()
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// expectCalls fails unless exactly so many calls succeeded and nothing went wrong.
func expectCalls(t *testing.T, result *report, calls uint64) {
	t.Helper()
	if result.Calls != calls || result.Errors != 0 || result.check() != nil {
		t.Errorf("%d calls, %d errors %v, failures %v; want %d calls and nothing else",
			result.Calls, result.Errors, result.Samples, result.Failures, calls)
	}
}
