package main

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// needSchedstat skips the test on systems other than Linux.
func needSchedstat(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		t.Skip("there is no /proc/PID/schedstat")
	}
}

func TestServerCPUIsReported(t *testing.T) {
	needSchedstat(t)
	url := serve(t, nil, unary(echo))
	result := load(t, url+"/a.B/C", nil, "-calls", "500", "-in-flight", "8", "-warmup", "0s",
		"-server-pid", strconv.Itoa(os.Getpid()))
	expectCalls(t, result, 500)
	// The server is this process, so that both figures are about the same.
	if result.ServerCPUSeconds <= 0 || result.ServerCPUSeconds > 2*result.CPUSeconds+0.1 {
		t.Errorf("the server's CPU time is %v s, that of the same process %v s",
			result.ServerCPUSeconds, result.CPUSeconds)
	}
	if result.DatabaseCPUSeconds != 0 {
		t.Errorf("without -database-pid its CPU time is %v s", result.DatabaseCPUSeconds)
	}
}

// shellWithBusyChild starts a shell whose child is busy until the shell reads a line.
func shellWithBusyChild(t *testing.T) (pid int, endChild func()) {
	t.Helper()
	shell := exec.Command("sh", "-c",
		`sh -c 'while :; do :; done' & read line; kill $!; wait; read line`)
	stdin, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		shell.Wait()
	})
	return shell.Process.Pid, func() { stdin.Write([]byte("\n")) }
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("after a minute: %s", what)
		}
	}
}

func TestServerCPUHasDescendants(t *testing.T) {
	needSchedstat(t)
	shell, endChild := shellWithBusyChild(t)
	watch, err := startCPUWatch(0, shell)
	if err != nil {
		t.Fatal(err)
	}
	used := func() time.Duration {
		used, err := watch.used()
		if err != nil {
			t.Fatal(err)
		}
		if used[0] != 0 {
			t.Fatalf("pid 0 has used %v", used[0])
		}
		return used[1]
	}
	eventually(t, "the time of a busy child is missing", func() bool {
		return used() >= 50*time.Millisecond
	})
	running := used()
	endChild()
	eventually(t, "the child has not ended", func() bool {
		return len(childrenOfAll()[shell]) == 0
	})
	// What an ended child has used is still there, in steps of a tick for each of two figures.
	if ended := used(); ended < running-2*tick {
		t.Errorf("after the end of the child %v are used, before it %v", ended, running)
	}
}

func TestServerCPUOfAMissingProcess(t *testing.T) {
	_, err := startCPUWatch(1 << 30)
	if err == nil || !strings.Contains(err.Error(), "process 1073741824") {
		t.Errorf("the error is %v, want one with the process", err)
	}
}

func TestStatWithAnOddCommand(t *testing.T) {
	text := "4242 (a (very) odd name) S 17 4242 4242 0 -1 4194560 900 80 0 0 150 50 30 20 20 0 7"
	stat, err := parseStat(text)
	if want := (processStat{17, 500 * time.Millisecond}); err != nil || stat != want {
		t.Errorf("%v, %v; want %v", stat, err, want)
	}
	if _, err := parseStat("4242 (short) S 17"); err == nil {
		t.Error("a line that is too short is no error")
	}
}
