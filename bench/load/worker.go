package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// inputBytes is the size of a read buffer. It holds the longest HTTP/2 frame that a peer may send
// without being invited to longer ones.
const inputBytes = 32 << 10

// codec speaks one protocol on one connection.
type codec interface {
	// open appends what a client has to say first to w.out, and calls w.isReady as soon as calls
	// can begin.
	open(w *worker)
	// consume handles what is complete at the front of data and returns how many bytes that was.
	// data is valid during the call only.
	consume(w *worker, data []byte) (int, error)
	// capacity returns how many calls may be in flight, at most w.slots.
	capacity(w *worker) int
	// begin appends a request with the given item to w.out and returns its call.
	begin(w *worker, item []byte) (*call, error)
	// close appends what a client has to say last to w.out.
	close(w *worker)
}

// call is what both protocols keep of a call in flight.
type call struct {
	start   time.Duration
	counted bool
}

// worker drives one connection: it keeps its share of the calls in flight until the run says
// otherwise. All of it happens in one goroutine, which waits for input only; see sender.
type worker struct {
	run    *run
	conn   net.Conn
	fd     int
	codec  codec
	slots  int
	picker picker
	tally  tally

	sender sender
	out    []byte
	input  []byte
	filled int
	begun  []*call // whose requests are in out
	open   int     // calls in flight
	// finished counts the answered calls of all phases.
	finished atomic.Int64

	phase phase
	now   time.Duration // when the bytes that are being handled arrived
	spent bool          // no item or ticket is left
	ready bool
	quiet bool
	done  bool
	err   error
}

// serve runs the connection until the run closes it or it fails.
func (w *worker) serve() error {
	defer w.isQuiet()
	defer w.isReady()
	read, err := w.reader()
	if err != nil {
		return err
	}
	w.input = make([]byte, inputBytes)
	w.sender.start(w.conn, w.fd)
	defer w.sender.stop()
	w.codec.open(w)
	for w.advance(); !w.done; w.advance() {
		// It returns when there was something to read, or because the run or the sender woke it.
		if err := read(); errors.Is(err, os.ErrDeadlineExceeded) {
			w.phase = w.run.awake(w.conn)
		} else if err != nil {
			return err
		}
		if err := w.sender.failure(); err != nil {
			w.fail(err)
		}
	}
	return w.err
}

// reader returns a function that waits for input and handles it. It sets fd, unless the connection uses
// TLS.
func (w *worker) reader() (func() error, error) {
	if conn, ok := w.conn.(*tls.Conn); ok {
		w.fd = noDescriptor
		return func() error { return w.receiveTLS(conn) }, nil
	}
	raw, err := w.conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	err = raw.Control(func(fd uintptr) { w.fd = int(fd) })
	return func() error { return raw.Read(w.receive) }, err
}

// receiveTLS handles the input of one read.
func (w *worker) receiveTLS(conn *tls.Conn) error {
	n, err := conn.Read(w.input[w.filled:])
	if n > 0 {
		w.handle(n)
	}
	return err
}

// receive handles what can be read now and returns whether the connection is done. If it is not,
// it is called again when more can be read. That more often than not spares a read that would
// find nothing: the runtime watches for new bytes (edge-triggered), so that a read which did not
// fill its buffer need not be followed by another one. The end of the stream alone can escape it
// when it came with the last bytes, until the run wakes the connection.
func (w *worker) receive(uintptr) bool {
	for !w.done {
		free := w.input[w.filled:]
		n, err := transfer(syscall.SYS_READ, w.fd, free)
		if err == syscall.EAGAIN {
			return false
		}
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			w.fail(err)
			break
		}
		w.handle(n)
		if n < len(free) {
			return w.done
		}
	}
	return true
}

// handle takes note of n more bytes of input, and begins the calls that may begin then.
func (w *worker) handle(n int) {
	w.now = w.run.clock()
	w.phase = w.run.currentPhase()
	w.consume(n)
	w.advance()
}

// consume handles what is complete of the input, after n more bytes of it have arrived.
func (w *worker) consume(n int) {
	w.filled += n
	used, err := w.codec.consume(w, w.input[:w.filled])
	if err != nil {
		w.fail(err)
		return
	}
	w.filled = copy(w.input, w.input[used:w.filled])
	if w.filled == len(w.input) {
		w.fail(fmt.Errorf("the answer has a part longer than %d bytes", inputBytes))
	}
}

// advance begins what can begin, sends it, and tells the run how far it is.
func (w *worker) advance() {
	if w.done {
		return
	}
	if err := w.fillSlots(); err != nil {
		w.fail(err)
		return
	}
	if w.phase == closing {
		w.leave()
	}
	w.flush()
	if w.open == 0 && (w.phase >= draining || w.spent || w.slots == 0) {
		w.isQuiet()
	}
}

// fail ends the connection.
func (w *worker) fail(err error) {
	if !w.done {
		w.done = true
		w.err = fmt.Errorf("%w, with %d calls in flight", err, w.open)
	}
}

// fillSlots begins as many calls as phase, slots, items and peer allow.
func (w *worker) fillSlots() error {
	if w.phase != warming && w.phase != measuring {
		return nil
	}
	for limit := w.codec.capacity(w); w.open < limit && !w.spent; w.open++ {
		counted := w.phase == measuring && w.run.limited()
		if counted && w.run.callsLeft.Add(-1) < 0 {
			w.spent = true
			return nil
		}
		item, ok := w.picker.next()
		if !ok {
			w.run.exhausted.Store(true)
			w.spent = true
			return nil
		}
		begun, err := w.codec.begin(w, item)
		if err != nil {
			return err
		}
		begun.counted = counted
		w.begun = append(w.begun, begun)
	}
	return nil
}

// flush hands all of out to the sender at once.
func (w *worker) flush() {
	if len(w.out) == 0 {
		return
	}
	if len(w.begun) > 0 {
		now := w.run.clock()
		for _, c := range w.begun {
			c.start = now
		}
		w.begun = w.begun[:0]
	}
	w.sender.send(w.out)
	w.out = w.out[:0]
}

// finish ends a call. The status is what the peer answered, the message its explanation.
func (w *worker) finish(c *call, status, message string) {
	w.open--
	w.finished.Add(1)
	if w.run.limited() {
		if !c.counted {
			return
		}
	} else if w.phase != measuring {
		return
	}
	if status == w.run.options.expectStatus {
		w.tally.succeed(w.now - c.start)
	} else {
		w.tally.fail(status, message)
	}
}

// leave sends GOAWAY and closes the connection.
func (w *worker) leave() {
	if w.open > 0 {
		w.fail(fmt.Errorf("not all calls were answered within %v of the end", drainLimit))
		return
	}
	w.codec.close(w)
	w.done = true
}

func (w *worker) isReady() {
	if !w.ready {
		w.ready = true
		w.run.ready.Done()
	}
}

func (w *worker) isQuiet() {
	if !w.quiet {
		w.quiet = true
		w.run.quiet.Done()
	}
}
