package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const frameHeaderBytes = 9

// requestHeaders keeps the HEADERS frame that begins each call of one connection. All calls have
// the same headers, so that after the first frame, which enters them into the peer's dynamic
// table, all further ones are the same bytes.
type requestHeaders struct {
	fields  []hpack.HeaderField
	block   bytes.Buffer
	encoder *hpack.Encoder
	frame   []byte // what next returned last
	steady  bool   // frame can be sent again
}

func newRequestHeaders(o options) *requestHeaders {
	h := &requestHeaders{fields: []hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: o.url.Scheme},
		{Name: ":path", Value: o.url.RequestURI()},
		{Name: ":authority", Value: o.url.Host},
		{Name: "te", Value: "trailers"},
		{Name: "content-type", Value: "application/grpc"},
		{Name: "user-agent", Value: "sessiond-bench-load"},
	}}
	if o.timeout > 0 {
		h.fields = append(h.fields,
			hpack.HeaderField{Name: "grpc-timeout", Value: grpcTimeout(o.timeout)})
	}
	if o.authorization != "" {
		h.fields = append(h.fields, hpack.HeaderField{Name: "authorization", Value: o.authorization})
	}
	h.encoder = hpack.NewEncoder(&h.block)
	return h
}

// grpcTimeout writes d as gRPC does: at most eight digits and a unit.
func grpcTimeout(d time.Duration) string {
	if milliseconds := d.Milliseconds(); milliseconds < 1e8 {
		return fmt.Sprintf("%dm", milliseconds)
	}
	return fmt.Sprintf("%dS", int64(d.Seconds()))
}

// limitTable obeys the peer's SETTINGS_HEADER_TABLE_SIZE.
func (h *requestHeaders) limitTable(size uint32) {
	h.encoder.SetMaxDynamicTableSizeLimit(size)
	h.steady = false
}

// next returns the frame for the stream. It is valid until the next call of next.
func (h *requestHeaders) next(stream uint32) ([]byte, error) {
	if !h.steady {
		before := bytes.Clone(h.block.Bytes())
		h.block.Reset()
		for _, field := range h.fields {
			if err := h.encoder.WriteField(field); err != nil {
				return nil, err
			}
		}
		h.frame = appendFrameHeader(
			h.frame[:0], h.block.Len(), http2.FrameHeaders, http2.FlagHeadersEndHeaders, 0)
		h.frame = append(h.frame, h.block.Bytes()...)
		// Twice the same: the encoder changed its table no more, and will not without limitTable.
		h.steady = bytes.Equal(before, h.block.Bytes())
	}
	binary.BigEndian.PutUint32(h.frame[5:], stream)
	return h.frame, nil
}

// appendFrameHeader appends the nine bytes that begin a frame (RFC 9113, section 4.1).
func appendFrameHeader(
	out []byte, length int, kind http2.FrameType, flags http2.Flags, stream uint32,
) []byte {
	out = append(out, byte(length>>16), byte(length>>8), byte(length), byte(kind), byte(flags))
	return binary.BigEndian.AppendUint32(out, stream)
}
