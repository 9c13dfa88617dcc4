package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// encodeItems returns the content of a file of items.
func encodeItems(items ...[]byte) []byte {
	var data []byte
	for _, item := range items {
		data = binary.BigEndian.AppendUint32(data, uint32(len(item)))
		data = append(data, item...)
	}
	return data
}

func numberedItems(count int) [][]byte {
	items := make([][]byte, count)
	for i := range items {
		items[i] = []byte(strings.Repeat("x", i%5) + fmt.Sprint(i))
	}
	return items
}

func TestRequestsFindsEachItem(t *testing.T) {
	items := numberedItems(3*stride + 1)
	items[stride] = nil
	path := filepath.Join(t.TempDir(), "items")
	if err := os.WriteFile(path, encodeItems(items...), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := openRequests(path)
	if err != nil {
		t.Fatal(err)
	}
	if list.count != len(items) {
		t.Fatalf("%d items, want %d", list.count, len(items))
	}
	for i, want := range items {
		if got := list.item(i); !bytes.Equal(got, want) {
			t.Errorf("item %d is %q, want %q", i, got, want)
		}
	}
}

func TestRequestsRefusesBrokenFiles(t *testing.T) {
	for _, test := range []struct {
		name, want string
		data       []byte
	}{
		{"empty", "is empty", nil},
		{"within a length", "item 1: the file ends within its length",
			append(encodeItems([]byte("a")), 0, 0)},
		{"within an item", "item 0: the file ends 2 bytes before it does",
			encodeItems([]byte("abcd"))[:6]},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "items")
			if err := os.WriteFile(path, test.data, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := openRequests(path)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestSequentialPickersShareTheItems(t *testing.T) {
	list, err := newRequests(encodeItems(numberedItems(10)...))
	if err != nil {
		t.Fatal(err)
	}
	var sequence atomic.Int64
	pickers := []picker{newPicker(list, &sequence, 1), newPicker(list, &sequence, 2)}
	seen := map[string]int{}
	for i := range list.count {
		item, ok := pickers[i%2].next()
		if !ok {
			t.Fatalf("exhausted after %d items", i)
		}
		seen[string(item)]++
	}
	if len(seen) != list.count {
		t.Errorf("%d different items were drawn, want %d", len(seen), list.count)
	}
	if _, ok := pickers[0].next(); ok {
		t.Error("there is an item beyond the last")
	}
}

func TestRandomPickerIsUniformAndRepeatable(t *testing.T) {
	list, err := newRequests(encodeItems(numberedItems(10)...))
	if err != nil {
		t.Fatal(err)
	}
	one, same := newPicker(list, nil, 7), newPicker(list, nil, 7)
	seen := map[string]int{}
	const draws = 100_000
	for range draws {
		item, _ := one.next()
		other, _ := same.next()
		if !bytes.Equal(item, other) {
			t.Fatal("the same seed gives different items")
		}
		seen[string(item)]++
	}
	for item, n := range seen {
		// Five standard deviations of a fair draw are 474.
		if n < draws/10-474 || n > draws/10+474 {
			t.Errorf("%s was drawn %d times of %d", item, n, draws)
		}
	}
}
