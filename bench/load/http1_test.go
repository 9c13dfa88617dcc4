package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

func TestHTTP1SendsCookiesAndReadsBodies(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	turn := 0
	url := serve(t, nil, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[r.Header.Get("Cookie")]++
		turn++
		now := turn % 4
		mu.Unlock()
		if r.Method != http.MethodGet || r.URL.RequestURI() != "/path?a=b" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.Header().Set("Set-Cookie", "ignored=1")
		switch now {
		case 0: // no body
		case 1: // with a length
			fmt.Fprint(w, "hello")
		case 2: // longer than the buffer, in chunks
			fmt.Fprint(w, strings.Repeat("hello\r\n", inputBytes))
		case 3: // in several chunks
			for range 3 {
				fmt.Fprint(w, "hello")
				http.NewResponseController(w).Flush()
			}
		}
	})
	items := [][]byte{nil}
	for i := range 399 {
		items = append(items, fmt.Appendf(nil, "session=%d; other=x", i))
	}
	result := load(t, url+"/path?a=b", items,
		"-protocol", "http1", "-in-flight", "5", "-order", "sequential", "-warmup", "0s")
	expectCalls(t, result, 400)
	mu.Lock()
	defer mu.Unlock()
	for _, item := range items {
		if seen[string(item)] != 1 {
			t.Errorf("cookie %q arrived %d times", item, seen[string(item)])
		}
	}
}

func TestHTTP1TalliesErrors(t *testing.T) {
	var mu sync.Mutex
	turn := 0
	url := serve(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		turn++
		now := turn % 2
		mu.Unlock()
		if now == 0 {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		http.Error(w, "no", http.StatusUnauthorized)
	})
	result := load(t, url, nil, "-protocol", "http1", "-expect-status", "204",
		"-in-flight", "3", "-calls", "100", "-warmup", "0s")
	if result.Calls != 50 || result.Statuses["204"] != 50 || result.Statuses["401"] != 50 ||
		result.Samples["401"] != "Unauthorized" {
		t.Errorf("statuses %v, samples %v", result.Statuses, result.Samples)
	}
}

func TestHTTP1ReportsALostConnection(t *testing.T) {
	url := serve(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
	})
	result := load(t, url, nil, "-protocol", "http1", "-calls", "50", "-warmup", "0s")
	if len(result.Failures) != 1 || !strings.Contains(result.Failures[0], "closes") {
		t.Errorf("failures are %q, want that the server closes", result.Failures)
	}
}
