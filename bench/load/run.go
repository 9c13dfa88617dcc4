package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	openLimit  = 10 * time.Second // for all connections to be ready
	drainLimit = 10 * time.Second // for the last calls to be answered
	dialers    = 64               // connections that are opened at the same time
)

// phase is what all connections are doing. A run goes through all phases in this order.
type phase int32

const (
	opening   phase = iota // connections are opened, and then idle for -hold
	warming                // calls are made and not counted
	measuring              // calls are made and counted
	draining               // no call begins any more; afterwards idle for -hold
	closing
)

// run is one measurement over all its connections.
type run struct {
	options options
	base    time.Time
	phase   atomic.Int32
	workers []*worker

	callsLeft atomic.Int64 // counted calls that may still begin, with -calls
	sequence  atomic.Int64
	exhausted atomic.Bool

	ready sync.WaitGroup // connections that cannot make calls yet
	quiet sync.WaitGroup // connections that have calls in flight or will begin some
}

// newRun prepares a run without connecting. The items come from list.
func newRun(o options, list *requests) *run {
	r := &run{options: o, base: time.Now()}
	r.callsLeft.Store(o.calls)
	var sequence *atomic.Int64
	if o.order == sequential {
		sequence = &r.sequence
	}
	for i := range o.connections {
		slots := o.inFlight / o.connections
		if i < o.inFlight%o.connections {
			slots++
		}
		// Any two seeds give unrelated sequences; the factor keeps those of -seed 1 and 2 apart.
		seed := o.seed*0x9e3779b97f4a7c15 + uint64(i)<<32
		r.workers = append(r.workers, &worker{
			run: r, codec: newCodec(o), slots: slots, picker: newPicker(list, sequence, seed),
		})
	}
	return r
}

// newCodec returns the codec of one connection.
func newCodec(o options) codec {
	if o.protocol == protocolHTTP1 {
		return newHTTP1(o)
	}
	return newGRPC(o)
}

// clock returns the time since the run was made.
func (r *run) clock() time.Duration { return time.Since(r.base) }

func (r *run) currentPhase() phase { return phase(r.phase.Load()) }

// limited tells whether a number of calls ends the run, rather than a duration.
func (r *run) limited() bool { return r.options.calls > 0 }

// execute measures and reports. It fails if the connections cannot be opened; what goes wrong
// later is part of the report.
func (r *run) execute() (*report, error) {
	config, err := r.options.tls.config()
	if err != nil {
		return nil, err
	}
	if err := r.dial(config); err != nil {
		return nil, err
	}
	failures := make([]error, len(r.workers))
	var served sync.WaitGroup
	r.ready.Add(len(r.workers))
	r.quiet.Add(len(r.workers))
	for i, w := range r.workers {
		served.Go(func() {
			if err := w.serve(); err != nil {
				failures[i] = fmt.Errorf("connection %d: %w", i+1, err)
			}
		})
	}
	ready, quiet := closedAfter(&r.ready), closedAfter(&r.quiet)
	if !within(ready, openLimit) {
		return nil, fmt.Errorf("not all connections were ready within %v", openLimit)
	}
	time.Sleep(r.options.hold)

	r.enter(warming)
	warmup := r.warmUp(quiet)
	// Both before and after, the CPU times are read at the end of the phase, so that the time that
	// this takes does not make their interval longer than that of the calls.
	others, err := startCPUWatch(r.options.serverPid, r.options.databasePid)
	if err != nil {
		return nil, err
	}
	r.enter(measuring)
	start, cpu := r.clock(), processTime()
	if r.limited() {
		r.wait(quiet, math.MaxInt64)
	} else {
		r.wait(quiet, r.options.duration)
	}
	used, err := others.used()
	if err != nil {
		return nil, err
	}
	elapsed, cpu := r.clock()-start, processTime()-cpu

	r.enter(draining)
	within(quiet, drainLimit)
	time.Sleep(r.options.hold)
	r.enter(closing)
	served.Wait()
	result := r.report(elapsed, cpu, failures)
	result.ServerCPUSeconds, result.DatabaseCPUSeconds = used[0].Seconds(), used[1].Seconds()
	result.WarmupSeconds, result.Steady = warmup.took.Seconds(), warmup.steady
	return result, nil
}

// warmUp makes calls until the server is warm; see the options.
func (r *run) warmUp(quiet <-chan struct{}) warmup {
	start := r.clock()
	window := r.options.warmupWindow
	if window == 0 {
		r.wait(quiet, r.options.warmup)
		return warmup{took: r.clock() - start}
	}
	var rates []float64
	for r.clock()-start < r.options.warmupLimit && !steady(rates) {
		began, before := r.clock(), r.finished()
		if r.wait(quiet, window) {
			break // no item is left
		}
		rates = append(rates, float64(r.finished()-before)/(r.clock()-began).Seconds())
	}
	return warmup{took: r.clock() - start, steady: steady(rates)}
}

// finished returns how many calls have been answered since the start, in all phases.
func (r *run) finished() (total int64) {
	for _, w := range r.workers {
		total += w.finished.Load()
	}
	return total
}

// enter changes the phase and makes all connections take notice.
func (r *run) enter(p phase) {
	r.phase.Store(int32(p))
	r.wake()
}

// wake makes all connections look around, which wait for input.
func (r *run) wake() {
	for _, w := range r.workers {
		// It fails only on a connection that has been closed, which has nothing to notice.
		_ = w.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// wait waits until done is closed, at most for limit, and tells whether it was. Every second the
// connections look around, as one that the server has closed may not have noticed; see
// worker.receive.
func (r *run) wait(done <-chan struct{}, limit time.Duration) bool {
	for ; limit > 0; limit -= time.Second {
		if within(done, min(limit, time.Second)) {
			return true
		}
		r.wake()
	}
	return false
}

// awake makes a connection wait again after wake, and returns the phase. As the phase is read last
// and set before wake, no change can be missed.
func (r *run) awake(conn net.Conn) phase {
	_ = conn.SetReadDeadline(time.Time{})
	return r.currentPhase()
}

// dial opens the connections. config is nil without TLS.
func (r *run) dial(config *tls.Config) error {
	failures := make([]error, len(r.workers))
	places := make(chan struct{}, dialers)
	var dialed sync.WaitGroup
	for i, w := range r.workers {
		places <- struct{}{}
		dialed.Go(func() {
			w.conn, failures[i] = dial(r.options.url.Host, config)
			<-places
		})
	}
	dialed.Wait()
	return errors.Join(failures...)
}

// closedAfter returns a channel that is closed when group is done.
func closedAfter(group *sync.WaitGroup) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	return done
}

// within waits until done is closed, at most for limit, and tells whether it was.
func within(done <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// processTime returns the processor time that this process has used, in user and system mode.
func processTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
