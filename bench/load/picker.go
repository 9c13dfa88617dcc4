package main

import (
	"math/bits"
	"sync/atomic"
)

// picker draws the items of one connection. It is not safe for concurrent use; the sequence that
// several pickers share is.
type picker struct {
	list     *requests
	sequence *atomic.Int64 // nil for the random order
	state    uint64
}

// newPicker returns a picker over list. With a sequence, all pickers that share it use each item
// once between them; without, each draw is uniform over all items and depends on seed only.
func newPicker(list *requests, sequence *atomic.Int64, seed uint64) picker {
	return picker{list: list, sequence: sequence, state: seed}
}

// next returns the next item, or false if the sequence is exhausted.
func (p *picker) next() ([]byte, bool) {
	if p.sequence == nil {
		// The high half of random*count is uniform over [0, count), without a division.
		i, _ := bits.Mul64(p.random(), uint64(p.list.count))
		return p.list.item(int(i)), true
	}
	i := p.sequence.Add(1) - 1
	if i >= int64(p.list.count) {
		return nil, false
	}
	return p.list.item(int(i)), true
}

// random is SplitMix64 (Steele, Lea, Flood 2014): a few instructions, and good from any seed.
func (p *picker) random() uint64 {
	p.state += 0x9e3779b97f4a7c15
	z := p.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
