package main

import (
	"math/bits"
	"time"
)

const (
	// subBits gives each power of two 128 buckets, which bounds the relative error of a
	// quantile by 1/256, as a bucket is read at its middle.
	subBits    = 7
	subBuckets = 1 << subBits
	// maxBits caps the values at 2^37 ns, a little over two minutes.
	maxBits     = 37
	bucketCount = (maxBits - subBits + 1) * subBuckets
)

// histogram counts durations in buckets whose width grows with the value, so that recording is a
// shift and an increment, and a quantile is off by less than 1 %. The zero value is empty and
// ready to use. It is not safe for concurrent use.
type histogram struct {
	counts [bucketCount]uint32
	count  uint64
	sum    time.Duration
	max    time.Duration
}

// record adds one duration. A negative one counts as zero.
func (h *histogram) record(d time.Duration) {
	d = max(d, 0)
	h.counts[bucketOf(uint64(d))]++
	h.count++
	h.sum += d
	h.max = max(h.max, d)
}

// add merges the values of other into h.
func (h *histogram) add(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.count += other.count
	h.sum += other.sum
	h.max = max(h.max, other.max)
}

// quantile returns the smallest value that at least the share q of all values do not exceed, or
// zero if there are none.
func (h *histogram) quantile(q float64) time.Duration {
	if h.count == 0 {
		return 0
	}
	rank := uint64(q * float64(h.count))
	if float64(rank) < q*float64(h.count) || rank == 0 {
		rank++
	}
	var seen uint64
	for i, n := range h.counts {
		seen += uint64(n)
		if seen >= rank {
			return min(middleOf(i), h.max)
		}
	}
	return h.max
}

// mean returns the exact mean, or zero if there are no values.
func (h *histogram) mean() time.Duration {
	if h.count == 0 {
		return 0
	}
	return h.sum / time.Duration(h.count)
}

// bucketOf returns the bucket of v: the identity below 2*subBuckets, then subBuckets of equal
// width for each power of two.
func bucketOf(v uint64) int {
	v = min(v, 1<<maxBits-1)
	shift := max(bits.Len64(v)-subBits-1, 0)
	return shift<<subBits + int(v>>shift)
}

// middleOf returns the middle of what bucket i holds.
func middleOf(i int) time.Duration {
	if i < 2*subBuckets {
		return time.Duration(i)
	}
	shift := i>>subBits - 1
	low := uint64(i-shift<<subBits) << shift
	return time.Duration(low + 1<<shift/2)
}
