// Command sessiond-bench-load calls one server as fast as it answers and reports how fast that
// was. It is the load generator of the benchmark, and made to cost little: it shares a machine
// with the server that it measures. It runs on Unix.
//
// It is a closed loop: a number of calls is kept in flight, and the next one begins when one has
// been answered. A server that stalls is therefore not called meanwhile, and its latencies look
// better than those that callers at a constant rate would see (coordinated omission). They are
// comparable between servers under the same number of calls in flight, and nothing else.
//
// A latency runs from just before the request is handed to the socket to the arrival of the last
// byte of the answer. Requests that become ready together are written together.
//
// The result is one JSON object on standard output; see report. The exit code is 1 if no call
// succeeded or a connection failed, and 2 if the command line is wrong.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
)

func main() {
	o, err := parseOptions(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if err := measure(o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// measure runs what the options say and prints the report.
func measure(o options) error {
	runtime.GOMAXPROCS(o.procs)
	list, err := loadRequests(o.requests)
	if err != nil {
		return err
	}
	if o.cpuProfile != "" {
		file, err := os.Create(o.cpuProfile)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	result, err := newRun(o, list).execute()
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		return err
	}
	return result.check()
}

// loadRequests opens the file of items, or makes do with an empty one.
func loadRequests(path string) (*requests, error) {
	if path == "" {
		return newRequests(make([]byte, prefixBytes))
	}
	return openRequests(path)
}
