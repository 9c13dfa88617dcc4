package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// http1 is the codec of GET requests over HTTP/1.1 with keep-alive, one at a time. It reads as
// much of an answer as it takes to find its end: status, length, chunks.
type http1 struct {
	prefix []byte // the request up to the value of the Cookie header
	bare   []byte // the request without it
	call   call

	state     func(h *http1, w *worker, data []byte) (int, error)
	status    string
	reason    string
	remaining int // bytes of body or chunk, -1 while unknown
	chunked   bool
}

var _ codec = (*http1)(nil)

// errPartial says that more bytes are needed.
var errPartial = errors.New("partial")

func newHTTP1(o options) *http1 {
	head := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n", o.url.RequestURI(), o.url.Host)
	return &http1{prefix: []byte(head + "Cookie: "), bare: []byte(head + "\r\n")}
}

func (h *http1) open(w *worker) { w.isReady() }

func (h *http1) close(*worker) {}

func (h *http1) capacity(w *worker) int { return w.slots }

func (h *http1) begin(w *worker, item []byte) (*call, error) {
	if len(item) == 0 {
		w.out = append(w.out, h.bare...)
	} else {
		w.out = append(w.out, h.prefix...)
		w.out = append(w.out, item...)
		w.out = append(w.out, "\r\n\r\n"...)
	}
	h.state = (*http1).readStatus
	return &h.call, nil
}

func (h *http1) consume(w *worker, data []byte) (int, error) {
	used := 0
	for used < len(data) {
		if w.open == 0 {
			return used, errors.New("the server sent what no request asked for")
		}
		n, err := h.state(h, w, data[used:])
		used += n
		if err == errPartial {
			return used, nil
		}
		if err != nil {
			return used, err
		}
	}
	return used, nil
}

func (h *http1) readStatus(_ *worker, data []byte) (int, error) {
	line, n, err := cutLine(data)
	if err != nil {
		return 0, err
	}
	version, rest, _ := bytes.Cut(line, []byte(" "))
	code, reason, _ := bytes.Cut(rest, []byte(" "))
	if string(version) != "HTTP/1.1" || len(code) != 3 {
		return 0, fmt.Errorf("not a status line of HTTP/1.1: %q", line)
	}
	// Comparing before converting saves an allocation for each answer like the one before.
	if string(code) != h.status || string(reason) != h.reason {
		h.status, h.reason = string(code), string(reason)
	}
	h.remaining, h.chunked = -1, false
	h.state = (*http1).readHeader
	return n, nil
}

func (h *http1) readHeader(w *worker, data []byte) (int, error) {
	line, n, err := cutLine(data)
	if err != nil {
		return 0, err
	}
	if len(line) == 0 {
		return n, h.endHeaders(w)
	}
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return 0, fmt.Errorf("not a header: %q", line)
	}
	value := bytes.TrimSpace(line[colon+1:])
	switch colon {
	case len("connection"):
		if bytes.EqualFold(line[:colon], []byte("connection")) &&
			bytes.EqualFold(value, []byte("close")) {
			return 0, fmt.Errorf("the server closes its connection after status %s", h.status)
		}
	case len("content-length"):
		if bytes.EqualFold(line[:colon], []byte("content-length")) {
			h.remaining, err = strconv.Atoi(string(value))
			if err != nil || h.remaining < 0 {
				return 0, fmt.Errorf("not a length: %q", line)
			}
		}
	case len("transfer-encoding"):
		if bytes.EqualFold(line[:colon], []byte("transfer-encoding")) {
			h.chunked = bytes.EqualFold(value, []byte("chunked"))
		}
	}
	return n, nil
}

// endHeaders decides how the body ends (RFC 9112, section 6.3).
func (h *http1) endHeaders(w *worker) error {
	switch {
	case h.status[0] == '1':
		h.state = (*http1).readStatus
	case h.status == "204" || h.status == "304":
		h.end(w)
	case h.chunked:
		h.state = (*http1).readChunkSize
	case h.remaining < 0:
		return fmt.Errorf("an answer with status %s and a body without length", h.status)
	case h.remaining == 0:
		h.end(w)
	default:
		h.state = (*http1).skipBody
	}
	return nil
}

func (h *http1) skipBody(w *worker, data []byte) (int, error) {
	n := min(h.remaining, len(data))
	h.remaining -= n
	if h.remaining == 0 {
		h.end(w)
	}
	return n, nil
}

func (h *http1) readChunkSize(_ *worker, data []byte) (int, error) {
	line, n, err := cutLine(data)
	if err != nil {
		return 0, err
	}
	digits, _, _ := bytes.Cut(line, []byte(";"))
	size, err := strconv.ParseUint(string(bytes.TrimSpace(digits)), 16, 31)
	if err != nil {
		return 0, fmt.Errorf("not the size of a chunk: %q", line)
	}
	h.remaining = int(size)
	h.state = (*http1).skipChunk
	if size == 0 {
		h.state = (*http1).readTrailer
	}
	return n, nil
}

func (h *http1) skipChunk(_ *worker, data []byte) (int, error) {
	if h.remaining > 0 {
		n := min(h.remaining, len(data))
		h.remaining -= n
		return n, nil
	}
	line, n, err := cutLine(data)
	if err != nil {
		return 0, err
	}
	if len(line) > 0 {
		return 0, fmt.Errorf("a chunk is followed by %q", line)
	}
	h.state = (*http1).readChunkSize
	return n, nil
}

func (h *http1) readTrailer(w *worker, data []byte) (int, error) {
	line, n, err := cutLine(data)
	if err != nil {
		return 0, err
	}
	if len(line) == 0 {
		h.end(w)
	}
	return n, nil
}

func (h *http1) end(w *worker) { w.finish(&h.call, h.status, h.reason) }

// cutLine returns the first line of data without its end, and its length with it.
func cutLine(data []byte) (line []byte, n int, err error) {
	end := bytes.IndexByte(data, '\n')
	if end < 0 {
		return nil, 0, errPartial
	}
	return bytes.TrimSuffix(data[:end], []byte("\r")), end + 1, nil
}
