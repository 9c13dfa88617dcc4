package main

import "time"

// tally is what one connection counted.
type tally struct {
	latencies histogram
	errors    uint64
	statuses  map[string]uint64 // of the errors
	samples   map[string]string // one message for each of them
}

// succeed counts a call that was answered as expected.
func (t *tally) succeed(latency time.Duration) {
	t.latencies.record(latency)
}

// fail counts a call that was answered with an error.
func (t *tally) fail(status, message string) {
	t.errors++
	if t.statuses == nil {
		t.statuses = map[string]uint64{}
		t.samples = map[string]string{}
	}
	t.statuses[status]++
	if _, known := t.samples[status]; !known {
		t.samples[status] = message
	}
}

// add merges other into t.
func (t *tally) add(other *tally) {
	t.latencies.add(&other.latencies)
	t.errors += other.errors
	for status, n := range other.statuses {
		if t.statuses == nil {
			t.statuses = map[string]uint64{}
			t.samples = map[string]string{}
		}
		t.statuses[status] += n
		if _, known := t.samples[status]; !known {
			t.samples[status] = other.samples[status]
		}
	}
}
