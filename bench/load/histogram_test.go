package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestHistogramQuantilesAreWithinOnePercent(t *testing.T) {
	source := rand.New(rand.NewPCG(1, 2))
	var h histogram
	var values []time.Duration
	for range 100_000 {
		// Log-uniform from 1 µs to 100 s, so that every octave is hit.
		d := time.Duration(1000 * math.Pow(10, 8*source.Float64()))
		values = append(values, d)
		h.record(d)
	}
	slices.Sort(values)
	for _, q := range []float64{0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1} {
		want := values[int(math.Ceil(q*float64(len(values))))-1]
		got := h.quantile(q)
		if off := math.Abs(float64(got-want)) / float64(want); off > 0.01 {
			t.Errorf("quantile %v is %v, want %v: off by %.2f %%", q, got, want, 100*off)
		}
	}
	if h.max != values[len(values)-1] {
		t.Errorf("max is %v, want %v", h.max, values[len(values)-1])
	}
}

func TestHistogramBucketsAreContiguous(t *testing.T) {
	for v := uint64(0); v < 1<<20; v++ {
		step := bucketOf(v+1) - bucketOf(v)
		if step != 0 && step != 1 {
			t.Fatalf("from %d to %d the bucket changes by %d", v, v+1, step)
		}
	}
	if got := bucketOf(math.MaxUint64); got != bucketCount-1 {
		t.Errorf("the largest value is in bucket %d, want the last, %d", got, bucketCount-1)
	}
}

func TestHistogramMerges(t *testing.T) {
	var a, b, all histogram
	for i := range 1000 {
		d := time.Duration(i) * time.Millisecond
		all.record(d)
		if i%3 == 0 {
			a.record(d)
		} else {
			b.record(d)
		}
	}
	a.add(&b)
	if a != all {
		t.Error("the merged histogram differs from that of all values")
	}
	if got, want := all.mean(), 499500*time.Microsecond; got != want {
		t.Errorf("mean is %v, want %v", got, want)
	}
}

func TestEmptyHistogramIsZero(t *testing.T) {
	var h histogram
	if h.quantile(0.5) != 0 || h.mean() != 0 {
		t.Error("an empty histogram has a quantile or a mean")
	}
}
