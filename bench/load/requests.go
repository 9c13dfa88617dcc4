package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
)

const (
	prefixBytes = 4
	// stride is how many items share one index entry. Finding an item walks over up to stride-1
	// length prefixes, and ten million items are indexed in 10 MB.
	stride = 8
)

// requests is a read-only list of request bodies, mapped from a file in which each item is a
// 4-byte big-endian length and that many bytes. It is safe for concurrent use.
type requests struct {
	data  []byte
	index []int // offset of every stride-th item
	count int
}

// openRequests maps and indexes the file at path. It fails if the file is empty or ends within an
// item. The mapping lasts as long as the process.
func openRequests(path string) (*requests, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() == 0 {
		return nil, fmt.Errorf("%s is empty: at least one item is needed", path)
	}
	data, err := syscall.Mmap(
		int(file.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping %s: %w", path, err)
	}
	list, err := newRequests(data)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), syscall.Munmap(data))
	}
	return list, nil
}

// newRequests indexes the items of data, which must not change afterwards.
func newRequests(data []byte) (*requests, error) {
	list := &requests{data: data}
	for at := 0; at < len(data); list.count++ {
		if list.count%stride == 0 {
			list.index = append(list.index, at)
		}
		if len(data)-at < prefixBytes {
			return nil, fmt.Errorf("item %d: the file ends within its length", list.count)
		}
		end := at + prefixBytes + int(binary.BigEndian.Uint32(data[at:]))
		if end > len(data) {
			return nil, fmt.Errorf("item %d: the file ends %d bytes before it does",
				list.count, end-len(data))
		}
		at = end
	}
	return list, nil
}

// item returns the bytes of item i, which must be in range and must not be modified.
func (l *requests) item(i int) []byte {
	at := l.index[i/stride]
	for range i % stride {
		at += prefixBytes + int(binary.BigEndian.Uint32(l.data[at:]))
	}
	length := int(binary.BigEndian.Uint32(l.data[at:]))
	at += prefixBytes
	return l.data[at : at+length : at+length]
}
