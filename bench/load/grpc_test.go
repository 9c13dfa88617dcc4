package main

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

func echo(message []byte) []byte { return message }

func TestGRPCSendsEachItemOnce(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	url := serve(t, nil, unary(func(message []byte) []byte {
		mu.Lock()
		defer mu.Unlock()
		seen[string(message)]++
		return message
	}))
	items := numberedItems(2000)
	result := load(t, url+"/a.B/C", items,
		"-in-flight", "50", "-connections", "3", "-order", "sequential", "-warmup", "0s")
	expectCalls(t, result, 2000)
	if !result.Exhausted {
		t.Error("the run does not say that the items were exhausted")
	}
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != len(items) {
		t.Errorf("%d different items arrived, want %d", len(seen), len(items))
	}
	for item, n := range seen {
		if n != 1 {
			t.Errorf("%q arrived %d times", item, n)
		}
	}
	if result.P50Us <= 0 || result.P50Us > result.P99Us || result.P99Us > result.MaxUs {
		t.Errorf("latencies p50 %v, p99 %v, max %v", result.P50Us, result.P99Us, result.MaxUs)
	}
}

func TestGRPCStopsAfterCalls(t *testing.T) {
	url := serve(t, nil, unary(echo))
	result := load(t, url+"/a.B/C", nil, "-in-flight", "16", "-calls", "333", "-warmup", "10ms")
	expectCalls(t, result, 333)
}

func TestGRPCMeasuresForTheDuration(t *testing.T) {
	url := serve(t, nil, unary(echo))
	result := load(t, url+"/a.B/C", nil,
		"-in-flight", "4", "-duration", "100ms", "-warmup", "10ms", "-hold", "10ms",
		"-connections", "6")
	if result.Calls == 0 {
		t.Error("no call was counted")
	}
	expectCalls(t, result, result.Calls)
}

func TestGRPCKeepsToTheServersWindows(t *testing.T) {
	settings := &http.HTTP2Config{
		MaxReceiveBufferPerStream: 5000, MaxReceiveBufferPerConnection: 70_000,
		MaxConcurrentStreams: 7, MaxReadFrameSize: 16384,
	}
	var wrong sync.Map
	item := bytes.Repeat([]byte("0123456789"), 5000)
	url := serve(t, settings, unary(func(message []byte) []byte {
		if !bytes.Equal(message, item) {
			wrong.Store(len(message), true)
		}
		return nil
	}))
	result := load(t, url+"/a.B/C", [][]byte{item},
		"-in-flight", "40", "-connections", "2", "-calls", "200", "-warmup", "0s")
	expectCalls(t, result, 200)
	wrong.Range(func(length, _ any) bool {
		t.Errorf("a message of %v bytes arrived that nobody sent", length)
		return true
	})
}

func TestGRPCOpensItsWindowsAgain(t *testing.T) {
	// Each answer is more than a stream's window, and all together more than the connection's.
	answer := make([]byte, 3*streamWindow)
	url := serve(t, nil, unary(func([]byte) []byte { return answer }))
	calls := connectionWindow/len(answer) + 2
	result := load(t, url+"/a.B/C", nil,
		"-in-flight", "2", "-connections", "1", "-calls", fmt.Sprint(calls), "-warmup", "0s")
	expectCalls(t, result, uint64(calls))
}

func TestGRPCTalliesErrors(t *testing.T) {
	var mu sync.Mutex
	turn := 0
	url := serve(t, nil, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		turn++
		now := turn % 5
		mu.Unlock()
		w.Header().Set("Content-Type", "application/grpc")
		switch now {
		case 0:
			panic(http.ErrAbortHandler)
		case 1: // in the headers
			w.Header().Set("Grpc-Status", "5")
			w.Header().Set("Grpc-Message", "not%20found")
		case 2: // in the trailers
			w.WriteHeader(http.StatusOK)
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "14")
		case 3:
			w.WriteHeader(http.StatusBadGateway)
		case 4:
			unary(echo)(w, r)
		}
	})
	result := load(t, url+"/a.B/C", nil, "-in-flight", "3", "-calls", "100", "-warmup", "0s")
	if result.Calls != 20 || result.Errors != 80 || result.check() != nil {
		t.Errorf("%d calls, %d errors, %v", result.Calls, result.Errors, result.check())
	}
	for status, message := range map[string]string{
		"RST_STREAM INTERNAL_ERROR": "the server reset the stream",
		"5":                         "not found",
		"14":                        "",
		"HTTP 502":                  "the answer is not gRPC",
	} {
		if result.Statuses[status] != 20 || result.Samples[status] != message {
			t.Errorf("status %s: %d times with %q, want 20 times with %q",
				status, result.Statuses[status], result.Samples[status], message)
		}
	}
	if result.Statuses["0"] != 20 {
		t.Errorf("statuses %v", result.Statuses)
	}
}

func TestGRPCExpectsAnotherStatus(t *testing.T) {
	url := serve(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Grpc-Status", "16")
	})
	result := load(t, url+"/a.B/C", nil, "-expect-status", "16", "-calls", "10", "-warmup", "0s")
	expectCalls(t, result, 10)
}

func TestGRPCSendsTheTimeout(t *testing.T) {
	url := serve(t, nil, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Grpc-Status", r.Header.Get("Grpc-Timeout"))
	})
	result := load(t, url+"/a.B/C", nil,
		"-timeout", "1500ms", "-expect-status", "1500m", "-calls", "10", "-warmup", "0s")
	expectCalls(t, result, 10)
}

func TestGRPCDecodesLongAndChangingHeaders(t *testing.T) {
	// More than one frame of headers, and more than the dynamic table can hold.
	var mu sync.Mutex
	turn := 0
	url := serve(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		turn++
		w.Header().Set("X-Long", strings.Repeat(fmt.Sprint("{", turn, "}"), 5000))
		mu.Unlock()
		w.Header().Set("Grpc-Status", "0")
	})
	result := load(t, url+"/a.B/C", nil, "-in-flight", "4", "-calls", "50", "-warmup", "0s")
	expectCalls(t, result, 50)
}

func TestGRPCReportsALostConnection(t *testing.T) {
	url := serve(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		connection := http.NewResponseController(w)
		w.Header().Set("Connection", "close") // HTTP/2: GOAWAY
		if err := connection.Flush(); err != nil {
			panic(err)
		}
	})
	result := load(t, url+"/a.B/C", nil, "-in-flight", "2", "-calls", "50", "-warmup", "0s")
	if len(result.Failures) != 2 || !strings.Contains(result.Failures[0], "GOAWAY") {
		t.Errorf("failures are %q, want GOAWAY on both connections", result.Failures)
	}
	if result.check() == nil {
		t.Error("the run counts as a good one")
	}
}

func TestGRPCSendsTheAuthorization(t *testing.T) {
	url := serve(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer abc" {
			panic(http.ErrAbortHandler)
		}
		unary(echo)(w, r)
	})
	result := load(t, url+"/a.B/C", nil,
		"-calls", "50", "-in-flight", "4", "-warmup", "0s", "-authorization", "Bearer abc")
	expectCalls(t, result, 50)
}
