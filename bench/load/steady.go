package main

import (
	"math"
	"slices"
	"time"
)

const (
	steadyWindows   = 3    // on each side of the comparison
	steadyTolerance = 0.05 // of the earlier median
)

// warmup is how the warm-up went.
type warmup struct {
	took   time.Duration
	steady bool
}

// steady tells whether the rates of consecutive windows have stopped changing: whether the median of
// the last three differs little from that of the three before. Medians, so that one window in which
// the machine did other work neither ends a warm-up nor prolongs it.
func steady(rates []float64) bool {
	n := len(rates)
	if n < 2*steadyWindows {
		return false
	}
	before := medianOf(rates[n-2*steadyWindows : n-steadyWindows])
	last := medianOf(rates[n-steadyWindows:])
	return before > 0 && math.Abs(last-before) <= steadyTolerance*before
}

// medianOf returns the median of an odd number of values.
func medianOf(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}
