package main

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestServerCPUIsReported(t *testing.T) {
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		t.Skip("there is no /proc/PID/schedstat")
	}
	url := serve(t, nil, unary(echo))
	result := load(t, url+"/a.B/C", nil, "-calls", "500", "-in-flight", "8", "-warmup", "0s",
		"-server-pid", strconv.Itoa(os.Getpid()))
	expectCalls(t, result, 500)
	// The server is this process, so that both figures are about the same.
	if result.ServerCPUSeconds <= 0 || result.ServerCPUSeconds > 2*result.CPUSeconds+0.1 {
		t.Errorf("the server's CPU time is %v s, that of the same process %v s",
			result.ServerCPUSeconds, result.CPUSeconds)
	}
}

func TestServerCPUOfAMissingProcess(t *testing.T) {
	_, err := startCPUWatch(1 << 30)
	if err == nil || !strings.Contains(err.Error(), "-server-pid 1073741824") {
		t.Errorf("the error is %v, want one with the option", err)
	}
}
