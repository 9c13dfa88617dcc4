package main

import (
	"fmt"
	"time"
)

// report is the result of a run, as it is printed.
//
// Calls are those answered as expected, and the rates and latencies are of them only, so that an
// overloaded server that refuses quickly does not look fast. Errors were answered with an error;
// CPUUsPerCall spreads over both.
type report struct {
	Calls        uint64            `json:"calls"`
	Errors       uint64            `json:"errors"`
	Statuses     map[string]uint64 `json:"statuses"`
	Samples      map[string]string `json:"samples"`
	Seconds      float64           `json:"seconds"`
	PerSecond    float64           `json:"perSecond"`
	P50Us        float64           `json:"p50Us"`
	P90Us        float64           `json:"p90Us"`
	P99Us        float64           `json:"p99Us"`
	P999Us       float64           `json:"p999Us"`
	MaxUs        float64           `json:"maxUs"`
	MeanUs       float64           `json:"meanUs"`
	CPUSeconds   float64           `json:"cpuSeconds"`
	CPUUsPerCall float64           `json:"cpuUsPerCall"`
	// Answered counts the calls of all phases, whatever their answers were.
	Answered int64 `json:"answered"`
	// ServerCPUSeconds is that of -server-pid and its descendants while calls were measured; 0
	// without it. DatabaseCPUSeconds is that of -database-pid.
	ServerCPUSeconds   float64 `json:"serverCpuSeconds"`
	DatabaseCPUSeconds float64 `json:"databaseCpuSeconds"`
	WarmupSeconds      float64 `json:"warmupSeconds"`
	// Steady tells whether -warmup-window was given and the rates became steady.
	Steady      bool     `json:"steady"`
	Connections int      `json:"connections"`
	InFlight    int      `json:"inFlight"`
	Exhausted   bool     `json:"exhausted"`
	Failures    []string `json:"failures"`
}

// report sums up all connections. They must have ended.
func (r *run) report(elapsed, cpu time.Duration, failures []error) *report {
	var total tally
	for _, w := range r.workers {
		total.add(&w.tally)
	}
	latencies := &total.latencies
	result := &report{
		Calls:       latencies.count,
		Answered:    r.finished(),
		Errors:      total.errors,
		Statuses:    map[string]uint64{},
		Samples:     map[string]string{},
		Seconds:     elapsed.Seconds(),
		P50Us:       microseconds(latencies.quantile(0.5)),
		P90Us:       microseconds(latencies.quantile(0.9)),
		P99Us:       microseconds(latencies.quantile(0.99)),
		P999Us:      microseconds(latencies.quantile(0.999)),
		MaxUs:       microseconds(latencies.max),
		MeanUs:      microseconds(latencies.mean()),
		CPUSeconds:  cpu.Seconds(),
		Connections: r.options.connections,
		InFlight:    r.options.inFlight,
		Exhausted:   r.exhausted.Load(),
		Failures:    []string{},
	}
	if latencies.count > 0 {
		result.Statuses[r.options.expectStatus] = latencies.count
	}
	for status, n := range total.statuses {
		result.Statuses[status] = n
		result.Samples[status] = total.samples[status]
	}
	if elapsed > 0 {
		result.PerSecond = float64(result.Calls) / elapsed.Seconds()
	}
	if answered := result.Calls + result.Errors; answered > 0 {
		result.CPUUsPerCall = cpu.Seconds() * 1e6 / float64(answered)
	}
	for _, err := range failures {
		if err != nil {
			result.Failures = append(result.Failures, err.Error())
		}
	}
	return result
}

// check returns what makes the run worthless, if anything.
func (r *report) check() error {
	if len(r.Failures) > 0 {
		return fmt.Errorf("%d of %d connections failed, the first: %s",
			len(r.Failures), r.Connections, r.Failures[0])
	}
	if r.Calls == 0 {
		return fmt.Errorf("no call succeeded, %d failed: %v", r.Errors, r.Samples)
	}
	return nil
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
