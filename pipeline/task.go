package pipeline

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/stage"
)

// taskState is where a message is between its admission and its end. The claim's mutex
// guards it.
type taskState uint8

const (
	taskQueued  taskState = iota // for a worker, or behind a message of its key
	taskRunning                  // holds a permit
	taskParked                   // waits without one
	taskFailed                   // out of retries; holds its key
	taskDropped                  // was queued when its claim drained
)

// task is a message on its way through the pipeline. A task is its own context, the claim's
// with the host, and its own [stage.Host]; its claim never changes, so a handler that
// keeps its context too long does no harm when the task is used again. Each queued message
// has one, so its fields are few and packed: what is looked at when the work ends, by when all of it is cold
// memory, is in the first of two cache lines, and what is only cleared then in the second.
type task struct {
	claim   *claim
	ticket  offsets.Ticket
	state   taskState
	laned   bool
	listed  bool          // one of the claim's; not so while the reader runs it
	permit  bool          // the running goroutine holds one
	timed   bool          // how long the work takes is looked at
	awaited atomic.Bool   // the reader waits for its turn
	step    atomic.Int32  // index of the stage being run
	started time.Duration // by the engine's clock, when it was taken up; 0 if it isn't timed, or ran in the reader
	behind  *task         // next in the pool's queue
	older   *task         // neighbours by admission
	newer   *task

	msg     stage.Message
	lane    uint64 // meaningful if laned
	follow  *task  // next of the same key
	crowd   *task  // next in the same bucket of the claim's lanes
	parking *parkingInfo
	failure *Error   // of a failed task
	attempt *attempt // that runs; nil unless HeadOfLine is set
}

// parkingInfo is how a message is parked, and what is shown of it then and later.
type parkingInfo struct {
	granted  chan struct{} // for the permit that it waits for, or nil; the pool's mutex guards it
	reason   string
	since    time.Time
	until    time.Time // zero if it waits for something else than time
	attempts int
	cause    error
}

// Deadline, Done and Err are the claim's.
func (t *task) Deadline() (deadline time.Time, ok bool) { return t.claim.ctx.Deadline() }
func (t *task) Done() <-chan struct{}                   { return t.claim.ctx.Done() }
func (t *task) Err() error                              { return t.claim.ctx.Err() }

// Value returns the task itself as the host of its message.
func (t *task) Value(key any) any {
	switch key.(type) {
	case stage.HostKey:
		return t
	case stepKey:
		return &t.step
	default:
		return t.claim.ctx.Value(key)
	}
}

// Draining implements [stage.Host].
func (t *task) Draining() <-chan struct{} { return t.claim.draining }

// Park implements [stage.Host]: it gives the permit away while the message waits, and
// takes one again, also when a deadline within the stages cut the wait short. What is released or
// cancelled goes on without one, to its end.
func (t *task) Park(ctx context.Context, p stage.Parking) error {
	c := t.claim
	if p.For <= 0 && p.Wake == nil {
		c.noteParking(t, p)
		return ctx.Err()
	}
	c.park(t, p)
	err := p.Block(ctx, c.draining)
	if !errors.Is(err, stage.ErrReleased) {
		t.permit = c.e.pool.retake(c.ctx, &c.queue, t)
		if err == nil && !t.permit {
			err = t.Err()
		}
	}
	c.unpark(t)
	return err
}

// tasks is a list of a claim's tasks in the order of their admission; the claim's
// mutex guards it.
type tasks struct {
	oldest, newest *task
	n              int
}

// push puts a task where it belongs, which is nearly always the end.
func (l *tasks) push(t *task) {
	older := l.newest
	for older != nil && older.ticket > t.ticket {
		older = older.older
	}
	newer := l.oldest
	if older != nil {
		newer = older.newer
	}
	t.older, t.newer = older, newer
	l.join(older, t)
	l.join(t, newer)
	l.n++
}

// join makes two tasks neighbours; nil stands for the list's end.
func (l *tasks) join(older, newer *task) {
	if older == nil {
		l.oldest = newer
	} else {
		older.newer = newer
	}
	if newer == nil {
		l.newest = older
	} else {
		newer.older = older
	}
}

func (l *tasks) remove(t *task) {
	l.join(t.older, t.newer)
	t.older, t.newer = nil, nil
	l.n--
}
