package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/PID/stat. It is fixed, whatever the kernel's own rate is.
const tick = 10 * time.Millisecond

// cpuWatch measures the CPU times of other processes, each with its descendants.
type cpuWatch struct {
	pids   []int
	before []time.Duration
}

// startCPUWatch begins with the times that the processes have used until now. For pid 0, nothing is
// measured.
func startCPUWatch(pids ...int) (cpuWatch, error) {
	before, err := cpuTimesOf(pids)
	return cpuWatch{pids, before}, err
}

// used returns the time that each of the processes has used since the start.
func (w cpuWatch) used() ([]time.Duration, error) {
	now, err := cpuTimesOf(w.pids)
	if err != nil {
		return nil, err
	}
	for i, before := range w.before {
		now[i] -= before
	}
	return now, nil
}

// cpuTimesOf returns for each process the time that it and its descendants have run, in user and
// system mode.
func cpuTimesOf(pids []int) ([]time.Duration, error) {
	times := make([]time.Duration, len(pids))
	var children map[int][]int
	for i, pid := range pids {
		if pid == 0 {
			continue
		}
		if children == nil {
			children = childrenOfAll()
		}
		var err error
		if times[i], err = cpuTimeOf(pid); err != nil {
			return nil, err
		}
		for _, child := range children[pid] {
			times[i] += cpuTimeOfTree(child, children)
		}
	}
	return times, nil
}

// cpuTimeOfTree returns the time of a process and its descendants, and 0 for those that end meanwhile:
// their parents have it, from then on.
func cpuTimeOfTree(pid int, children map[int][]int) time.Duration {
	total, err := cpuTimeOf(pid)
	if err != nil {
		return 0
	}
	for _, child := range children[pid] {
		total += cpuTimeOfTree(child, children)
	}
	return total
}

// cpuTimeOf returns the time that the threads of a process and its ended children have run. Threads
// that have ended are missing; Node's live as long as the process. /proc/PID/stat has them, but in
// steps of 10 ms. The time of ended children is known only in these steps.
func cpuTimeOf(pid int) (time.Duration, error) {
	pattern := fmt.Sprintf("/proc/%d/task/*/schedstat", pid)
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("process %d: there is no %s", pid, pattern)
	}
	stat, err := readStat(pid)
	if err != nil {
		return 0, err
	}
	total := stat.endedChildren
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

// childrenOfAll returns the children of each process that has any. Processes that end meanwhile are
// left out.
func childrenOfAll() map[int][]int {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if stat, err := readStat(pid); err == nil {
			children[stat.parent] = append(children[stat.parent], pid)
		}
	}
	return children
}

// processStat has what is used of /proc/PID/stat.
type processStat struct {
	parent        int
	endedChildren time.Duration
}

func readStat(pid int) (processStat, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	content, err := os.ReadFile(path)
	if err != nil {
		return processStat{}, err
	}
	stat, err := parseStat(string(content))
	if err != nil {
		return processStat{}, fmt.Errorf("%s: %w", path, err)
	}
	return stat, nil
}

// parseStat parses /proc/PID/stat. The command, which is in parentheses, may contain spaces and
// parentheses. The first field after it has number 3 in proc_pid_stat(5).
func parseStat(text string) (processStat, error) {
	fields := strings.Fields(text[strings.LastIndex(text, ")")+1:])
	const parent, userTime, systemTime = 4 - 3, 16 - 3, 17 - 3
	var numbers [systemTime + 1]int
	for _, field := range []int{parent, userTime, systemTime} {
		if field >= len(fields) {
			return processStat{}, fmt.Errorf("it has only %d fields", len(fields))
		}
		var err error
		if numbers[field], err = strconv.Atoi(fields[field]); err != nil {
			return processStat{}, err
		}
	}
	ticks := numbers[userTime] + numbers[systemTime]
	return processStat{numbers[parent], time.Duration(ticks) * tick}, nil
}
