package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cpuWatch measures the CPU time of another process.
type cpuWatch struct {
	pid    int
	before time.Duration
}

// startCPUWatch begins with the time that the process has used until now. With pid 0, nothing is
// measured.
func startCPUWatch(pid int) (cpuWatch, error) {
	before, err := cpuTimeOf(pid)
	return cpuWatch{pid, before}, err
}

// used returns the time that the process has used since the start.
func (w cpuWatch) used() (time.Duration, error) {
	now, err := cpuTimeOf(w.pid)
	return now - w.before, err
}

// cpuTimeOf returns the time that the threads of a process have run, in user and system mode. Threads
// that have ended are missing; Node's live as long as the process. /proc/PID/stat has them, but in steps
// of 10 ms.
func cpuTimeOf(pid int) (time.Duration, error) {
	if pid == 0 {
		return 0, nil
	}
	pattern := fmt.Sprintf("/proc/%d/task/*/schedstat", pid)
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("-server-pid %d: there is no %s", pid, pattern)
	}
	var total time.Duration
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return 0, err
		}
		// Time on the CPU, time in the queue, time slices; both times in nanoseconds.
		ran, _, _ := strings.Cut(string(content), " ")
		nanoseconds, err := strconv.ParseInt(ran, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
		total += time.Duration(nanoseconds)
	}
	return total, nil
}
