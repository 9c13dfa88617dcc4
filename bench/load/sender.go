package main

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// sender writes to a connection without ever making its caller wait. What the socket does not take
// at once is written by a goroutine, so that the caller can go on reading: two sides that both
// wait for the other to read would wait forever.
type sender struct {
	conn    net.Conn
	fd      int
	wake    chan struct{}
	stopped chan struct{}

	mu      sync.Mutex
	pending []byte // what the goroutine will write next
	busy    bool   // the goroutine has something to write
	err     error
}

// noDescriptor stands for the file descriptor of a connection that must not be written to directly:
// with TLS, the goroutine writes everything.
const noDescriptor = -1

// start prepares the sender for a connection and its file descriptor.
func (s *sender) start(conn net.Conn, fd int) {
	s.conn, s.fd = conn, fd
	s.wake = make(chan struct{}, 1)
	s.stopped = make(chan struct{})
	go s.loop()
}

// send writes data, or queues a copy of what cannot be written now. How much can be queued is
// bounded by the calls in flight. After an error, which the next read tells, it does nothing.
func (s *sender) send(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	if !s.busy {
		n, err := s.sendNow(data)
		if err != nil {
			s.fail(err)
			return
		}
		if data = data[n:]; len(data) == 0 {
			return
		}
		s.busy = true
		s.wake <- struct{}{} // there is room, as it was not busy
	}
	s.pending = append(s.pending, data...)
}

// sendNow writes what the socket takes at once and returns how much that was.
func (s *sender) sendNow(data []byte) (int, error) {
	if s.fd == noDescriptor {
		return 0, nil
	}
	n, err := transfer(syscall.SYS_WRITE, s.fd, data)
	if err == syscall.EAGAIN {
		return 0, nil
	}
	return n, err
}

// stop writes what is queued and closes the connection.
func (s *sender) stop() {
	close(s.wake)
	<-s.stopped
	s.conn.Close()
}

// failure returns the error that ended writing, if any.
func (s *sender) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// fail notes why writing ended, and wakes the reader.
func (s *sender) fail(err error) {
	s.err = err
	_ = s.conn.SetReadDeadline(time.Unix(1, 0))
}

func (s *sender) loop() {
	defer close(s.stopped)
	var spare []byte
	for range s.wake {
		for data := s.take(spare); data != nil; data = s.take(data) {
			if _, err := s.conn.Write(data); err != nil {
				s.mu.Lock()
				s.fail(err)
				s.mu.Unlock()
			}
			spare = data
		}
	}
}

// take returns what is queued, or nil if there is nothing left. The next queue reuses spare.
func (s *sender) take(spare []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) == 0 {
		s.busy = false
		return nil
	}
	data := s.pending
	s.pending = spare[:0]
	return data
}
