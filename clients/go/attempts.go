package sessiond

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/sessiond/sessiond/clients/go/internal/options"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// attempts watches the attempts of a call that grpc-go retries. If the wait before the next one
// would pass the deadline, grpc-go still waits and then says DEADLINE_EXCEEDED. So the wait is
// ended at once, and the call fails as its last attempt did.
type attempts struct {
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex
	failed error // how the last attempt failed, if it can be retried
	gaveUp bool
}

type attemptsKey struct{}

// withAttempts returns the context of a call whose attempts are watched. cancel must end ctx.
func withAttempts(ctx context.Context, cancel context.CancelFunc) (context.Context, *attempts) {
	a := &attempts{ctx: ctx, cancel: cancel}
	return context.WithValue(ctx, attemptsKey{}, a), a
}

func (a *attempts) ended(end *stats.End) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed = nil
	if end.Error == nil || !options.RetryableCode(status.Code(end.Error)) {
		return
	}
	a.failed = end.Error
	deadline, ok := a.ctx.Deadline()
	if ok && time.Until(deadline) < requestedWait(end) {
		a.gaveUp = true
		a.cancel()
	}
}

// requestedWait is what the server asks for: as grpc-go reads it, or as the contract has it.
func requestedWait(end *stats.End) time.Duration {
	if values := end.Trailer.Get("grpc-retry-pushback-ms"); len(values) == 1 {
		if ms, err := strconv.ParseInt(values[0], 10, 32); err == nil && ms >= 0 {
			return time.Duration(ms) * time.Millisecond
		}
	}
	return ErrorFrom(end.Error).RetryDelay
}

// outcome is the error of the whole call.
func (a *attempts) outcome(err error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	endedWhileWaiting := a.gaveUp || status.Code(err) == codes.DeadlineExceeded
	if endedWhileWaiting && a.failed != nil {
		return a.failed
	}
	return err
}

type attemptHandler struct{}

func (attemptHandler) HandleRPC(ctx context.Context, event stats.RPCStats) {
	end, isEnd := event.(*stats.End)
	if a, ok := ctx.Value(attemptsKey{}).(*attempts); ok && isEnd {
		a.ended(end)
	}
}

func (attemptHandler) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (attemptHandler) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (attemptHandler) HandleConn(context.Context, stats.ConnStats)                       {}
