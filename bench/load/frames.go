package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"

	"golang.org/x/net/http2"
)

// consume handles the complete frames at the front of data.
func (g *grpc) consume(w *worker, data []byte) (int, error) {
	used := 0
	for len(data)-used >= frameHeaderBytes {
		header := data[used : used+frameHeaderBytes]
		length := int(header[0])<<16 | int(header[1])<<8 | int(header[2])
		if length > defaultFrame {
			return used, fmt.Errorf("a frame of %d bytes, where %d were allowed",
				length, defaultFrame)
		}
		end := used + frameHeaderBytes + length
		if end > len(data) {
			break
		}
		kind, flags := http2.FrameType(header[3]), http2.Flags(header[4])
		id := binary.BigEndian.Uint32(header[5:]) & lastStream
		payload := data[used+frameHeaderBytes : end]
		if err := g.onFrame(w, kind, flags, id, payload); err != nil {
			return used, err
		}
		used = end
	}
	if g.leaving != nil && w.open == 0 {
		return used, g.leaving
	}
	return used, nil
}

func (g *grpc) onFrame(
	w *worker, kind http2.FrameType, flags http2.Flags, id uint32, payload []byte,
) error {
	if !g.greeted && kind != http2.FrameSettings {
		return fmt.Errorf("the server does not begin with SETTINGS, but with %v", kind)
	}
	if g.block.stream != 0 && (kind != http2.FrameContinuation || id != g.block.stream) {
		return fmt.Errorf("%v within the headers of stream %d", kind, g.block.stream)
	}
	switch kind {
	case http2.FrameData:
		return g.onData(w, flags, id, payload)
	case http2.FrameHeaders:
		return g.onHeaders(w, flags, id, payload)
	case http2.FrameContinuation:
		return g.onContinuation(w, flags, payload)
	case http2.FrameSettings:
		return g.onSettings(w, flags, payload)
	case http2.FrameWindowUpdate:
		return g.onWindowUpdate(w, id, payload)
	case http2.FrameRSTStream:
		return g.onReset(w, id, payload)
	case http2.FramePing:
		return g.onPing(flags, payload)
	case http2.FrameGoAway:
		return g.onGoAway(w, payload)
	case http2.FramePushPromise:
		return errors.New("the server pushes, which it was told not to do")
	}
	return nil // RFC 9113, section 5.5: what is unknown is ignored
}

func (g *grpc) onData(w *worker, flags http2.Flags, id uint32, payload []byte) error {
	if g.received += len(payload); g.received > connectionWindow/2 {
		g.write(g.control.WriteWindowUpdate(0, uint32(g.received)))
		g.received = 0
	}
	s := g.streams.get(id)
	if s == nil {
		return nil
	}
	if flags.Has(http2.FlagDataEndStream) {
		g.end(w, s)
		return nil
	}
	if s.received += len(payload); s.received > streamWindow/2 {
		g.write(g.control.WriteWindowUpdate(id, uint32(s.received)))
		s.received = 0
	}
	return nil
}

func (g *grpc) onHeaders(w *worker, flags http2.Flags, id uint32, payload []byte) error {
	padding := 0
	if flags.Has(http2.FlagHeadersPadded) {
		if len(payload) < 1 {
			return errTooShort
		}
		padding = int(payload[0])
		payload = payload[1:]
	}
	if flags.Has(http2.FlagHeadersPriority) {
		if len(payload) < 5 {
			return errTooShort
		}
		payload = payload[5:]
	}
	if padding > len(payload) {
		return errTooShort
	}
	payload = payload[:len(payload)-padding]
	g.block = blockState{stream: id, last: flags.Has(http2.FlagHeadersEndStream)}
	if !flags.Has(http2.FlagHeadersEndHeaders) {
		g.fragment = append(g.fragment[:0], payload...)
		return nil
	}
	return g.endHeaders(w, payload)
}

func (g *grpc) onContinuation(w *worker, flags http2.Flags, payload []byte) error {
	if g.block.stream == 0 {
		return errors.New("CONTINUATION without HEADERS")
	}
	if len(g.fragment)+len(payload) > inputBytes {
		return fmt.Errorf("headers of more than %d bytes", inputBytes)
	}
	g.fragment = append(g.fragment, payload...)
	if !flags.Has(http2.FlagContinuationEndHeaders) {
		return nil
	}
	return g.endHeaders(w, g.fragment)
}

// endHeaders decodes a whole header block. That of a stream that is gone is decoded too, as it
// may change the dynamic table.
func (g *grpc) endHeaders(w *worker, block []byte) error {
	state := g.block
	g.block = blockState{}
	g.current = g.streams.get(state.stream)
	if _, err := g.decoder.Write(block); err != nil {
		return err
	}
	if err := g.decoder.Close(); err != nil {
		return err
	}
	if g.current != nil && state.last {
		g.end(w, g.current)
	}
	return nil
}

func (g *grpc) onSettings(w *worker, flags http2.Flags, payload []byte) error {
	if flags.Has(http2.FlagSettingsAck) {
		return nil
	}
	for ; len(payload) >= 6; payload = payload[6:] {
		value := binary.BigEndian.Uint32(payload[2:])
		switch http2.SettingID(binary.BigEndian.Uint16(payload)) {
		case http2.SettingHeaderTableSize:
			g.headers.limitTable(value)
		case http2.SettingMaxConcurrentStreams:
			g.maxStreams = int(value)
		case http2.SettingMaxFrameSize:
			g.maxFrame = int(value)
		case http2.SettingInitialWindowSize:
			change := int64(value) - g.streamWindow
			g.streamWindow = int64(value)
			g.streams.each(func(s *stream) { s.window += change })
		}
	}
	g.write(g.control.WriteSettingsAck())
	g.unblock(w)
	g.greeted = true
	w.isReady()
	return nil
}

func (g *grpc) onWindowUpdate(w *worker, id uint32, payload []byte) error {
	if len(payload) != 4 {
		return errTooShort
	}
	increment := int64(binary.BigEndian.Uint32(payload) & lastStream)
	if id == 0 {
		g.window += increment
	} else if s := g.streams.get(id); s != nil {
		s.window += increment
	}
	if len(g.blocked) > 0 {
		g.unblock(w)
	}
	return nil
}

func (g *grpc) onReset(w *worker, id uint32, payload []byte) error {
	if len(payload) != 4 {
		return errTooShort
	}
	if s := g.streams.get(id); s != nil {
		code := http2.ErrCode(binary.BigEndian.Uint32(payload))
		g.drop(w, s, "RST_STREAM "+code.String(), "the server reset the stream")
	}
	return nil
}

func (g *grpc) onPing(flags http2.Flags, payload []byte) error {
	if len(payload) != 8 {
		return errTooShort
	}
	if !flags.Has(http2.FlagPingAck) {
		g.write(g.control.WritePing(true, [8]byte(payload)))
	}
	return nil
}

// onGoAway lets the calls end that the server still answers. The connection ends with the last of
// them.
func (g *grpc) onGoAway(w *worker, payload []byte) error {
	if len(payload) < 8 {
		return errTooShort
	}
	last := binary.BigEndian.Uint32(payload) & lastStream
	code := http2.ErrCode(binary.BigEndian.Uint32(payload[4:]))
	g.leaving = fmt.Errorf("the server sent GOAWAY: %v %q", code, payload[8:])
	g.streams.each(func(s *stream) {
		if s.id > last {
			g.drop(w, s, "GOAWAY "+code.String(), "the server left before the call")
		}
	})
	return nil
}

var errTooShort = errors.New("a frame of the wrong length")

// outWriter lets http2.Framer append to what the worker sends.
type outWriter struct{ w *worker }

func (o outWriter) Write(p []byte) (int, error) {
	o.w.out = append(o.w.out, p...)
	return len(p), nil
}

// write takes the result of writing a frame. outWriter cannot fail, so an error means that this
// program built a frame that is not allowed.
func (g *grpc) write(err error) {
	if err != nil {
		panic(err)
	}
}

// unescape undoes the percent-encoding of a grpc-message.
func unescape(message string) string {
	if plain, err := url.PathUnescape(message); err == nil {
		return plain
	}
	return message
}
