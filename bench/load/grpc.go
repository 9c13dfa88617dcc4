package main

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// grpcPrefixBytes come before a message: whether it is compressed, and its length.
	grpcPrefixBytes = 5

	defaultWindow    = 65535       // RFC 9113, section 6.9.2
	defaultFrame     = 16384       // RFC 9113, section 4.2
	defaultTable     = 4096        // RFC 9113, section 6.5.2
	connectionWindow = 1<<30 - 1   // what we allow the peer to send on a connection
	streamWindow     = 1<<24 - 1   // and on a stream
	lastStream       = 1<<31 - 1   // the largest id
	unlimited        = math.MaxInt // of the peer's settings
)

// grpc is the codec of unary gRPC calls over HTTP/2 with prior knowledge.
//
// It writes requests as bytes that are the same for each call but for the stream id and the
// message, and reads frames in place: http2.Framer, which does the rest, would allocate for each
// frame of headers.
type grpc struct {
	headers  *requestHeaders
	decoder  *hpack.Decoder
	control  *http2.Framer // writes to what was bound last; see control frames
	streams  streams
	nextID   uint32
	blocked  []*stream // by flow control, the oldest first
	fragment []byte    // a header block that goes on in CONTINUATION
	current  *stream   // whose headers are being decoded; nil if it is gone
	block    blockState
	greeted  bool // the peer's SETTINGS have arrived
	leaving  error

	// What the peer allows.
	window       int64
	streamWindow int64
	maxFrame     int
	maxStreams   int

	received int // bytes on the connection that were not given back yet
}

// blockState is where the HEADERS and CONTINUATION frames of one block are.
type blockState struct {
	stream uint32 // 0 outside of a block
	last   bool   // it ends its stream
}

var _ codec = (*grpc)(nil)

func newGRPC(o options) *grpc {
	g := &grpc{
		headers:      newRequestHeaders(o),
		streams:      newStreams(),
		nextID:       1,
		window:       defaultWindow,
		streamWindow: defaultWindow,
		maxFrame:     defaultFrame,
		maxStreams:   unlimited,
	}
	g.decoder = hpack.NewDecoder(defaultTable, g.onHeader)
	return g
}

func (g *grpc) open(w *worker) {
	w.out = append(w.out, http2.ClientPreface...)
	g.control = http2.NewFramer(outWriter{w}, nil)
	g.write(g.control.WriteSettings(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow},
	))
	g.write(g.control.WriteWindowUpdate(0, connectionWindow-defaultWindow))
}

func (g *grpc) close(*worker) {
	g.write(g.control.WriteGoAway(0, http2.ErrCodeNo, nil))
}

func (g *grpc) capacity(w *worker) int {
	if g.leaving != nil {
		return 0
	}
	return min(w.slots, g.maxStreams)
}

func (g *grpc) begin(w *worker, item []byte) (*call, error) {
	if g.nextID > lastStream {
		return nil, errors.New("the connection has no stream ids left")
	}
	s := g.streams.add(g.nextID)
	g.nextID += 2
	s.window = g.streamWindow
	frame, err := g.headers.next(s.id)
	if err != nil {
		return nil, err
	}
	w.out = append(w.out, frame...)

	length := grpcPrefixBytes + len(item)
	if length > g.maxFrame || int64(length) > min(g.window, s.window) {
		s.body = appendMessage(s.body, item)
		if !g.sendBody(w, s) {
			g.blocked = append(g.blocked, s)
		}
		return &s.call, nil
	}
	g.window -= int64(length)
	s.window -= int64(length)
	w.out = appendFrameHeader(w.out, length, http2.FrameData, http2.FlagDataEndStream, s.id)
	w.out = appendMessage(w.out, item)
	return &s.call, nil
}

// sendBody sends as much of the stream's body as flow control allows, and tells whether that was
// all of it.
func (g *grpc) sendBody(w *worker, s *stream) bool {
	for len(s.body) > 0 {
		n := int(min(int64(len(s.body)), int64(g.maxFrame), g.window, s.window))
		if n <= 0 {
			return false
		}
		var flags http2.Flags
		if n == len(s.body) {
			flags = http2.FlagDataEndStream
		}
		w.out = appendFrameHeader(w.out, n, http2.FrameData, flags, s.id)
		w.out = append(w.out, s.body[:n]...)
		s.body = s.body[n:]
		g.window -= int64(n)
		s.window -= int64(n)
	}
	return true
}

// unblock goes on with the bodies that flow control held back.
func (g *grpc) unblock(w *worker) {
	g.blocked = slices.DeleteFunc(g.blocked, func(s *stream) bool { return g.sendBody(w, s) })
}

// onHeader takes note of a field of the answer.
func (g *grpc) onHeader(field hpack.HeaderField) {
	if g.current == nil {
		return
	}
	switch field.Name {
	case ":status":
		g.current.httpStatus = field.Value
	case "grpc-status":
		g.current.status = field.Value
	case "grpc-message":
		g.current.message = field.Value
	}
}

// end finishes a call with its answer.
func (g *grpc) end(w *worker, s *stream) {
	status, message := s.status, s.message
	switch {
	case s.httpStatus != "200":
		status, message = "HTTP "+s.httpStatus, "the answer is not gRPC"
	case status == "":
		status, message = "none", "the answer has no grpc-status"
	}
	if len(s.body) > 0 {
		// The answer came before the whole request had been sent: the rest is of no use.
		g.write(g.control.WriteRSTStream(s.id, http2.ErrCodeCancel))
	}
	g.drop(w, s, status, message)
}

// drop finishes a call whose stream is gone.
func (g *grpc) drop(w *worker, s *stream, status, message string) {
	if len(s.body) > 0 {
		g.blocked = slices.DeleteFunc(g.blocked, func(other *stream) bool { return other == s })
	}
	w.finish(&s.call, status, unescape(message))
	g.streams.remove(s)
}

func appendMessage(out, message []byte) []byte {
	out = append(out, 0)
	out = binary.BigEndian.AppendUint32(out, uint32(len(message)))
	return append(out, message...)
}
