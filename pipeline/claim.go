package pipeline

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// claim is one tenure of a partition: its window, its order and its messages in
// flight. It ends with the tenure, and with it every right to resolve or commit.
type claim struct {
	e       *engine
	src     source.Claim
	name    claimName
	tracker *offsets.Tracker
	queue   queue // the pool's

	ctx    context.Context //nolint:containedctx // the parent of the messages' contexts, for the tenure
	cancel context.CancelCauseFunc

	// The reader waits for wake when the source has nothing. It sets starved when it needs
	// room in the window.
	wake    chan struct{}
	starved atomic.Bool
	closing atomic.Bool   // the reader must end
	revoked atomic.Bool   // the source ended the claim
	fenced  atomic.Bool   // the broker gave the partition to another member
	read    chan struct{} // closed when the reader has ended

	draining chan struct{} // closed when the drain begins
	drained  chan struct{} // closed when nothing is in flight any more

	intake intake
	inline inline

	asked int64 // the highest offset that was asked to be committed; the committer's

	failures    atomic.Int32 // messages failed in a row
	heldNow     atomic.Int64 // messages that have no room in the window
	outstanding atomic.Int64 // tasks that may hold a lane; the reader looks without the lock
	shelved     atomic.Bool  // the shelf isn't empty

	mu        sync.Mutex
	live      tasks // queued, running and parked
	stuck     tasks // failed
	lanes     lanes
	free      *task // tasks to use again, linked by behind
	quickRun  int   // messages in a row, of those that were timed, that took next to no time
	counts    counts
	shelf     fifo[arrival] // admitted, and no tasks yet
	failure   error         // of a message, the last one
	commitErr error         // the broker's last refusal, nil after a success
	frozen    *Error
	frozenAt  time.Time
	begun     bool  // the drain
	limit     int64 // of the drain: what is queued below it still runs
	over      bool  // the drain: nothing is in flight any more
}

// claimName is the partition of a claim.
type claimName struct {
	topic     string
	partition int32
}

func (e *engine) newClaim(src source.Claim) *claim {
	c := &claim{
		e: e, src: src,
		name: claimName{src.Topic(), src.Partition()},
		tracker: offsets.NewTracker(src.Start()-1, offsets.Limits{
			Messages: e.cfg.MaxInFlight, Bytes: e.cfg.MaxInFlightBytes, Batch: e.cfg.CommitBatch,
		}),
		asked:    src.Start() - 1,
		queue:    queue{index: -1},
		wake:     make(chan struct{}, 1),
		read:     make(chan struct{}),
		draining: make(chan struct{}),
		drained:  make(chan struct{}),
		inline:   inline{turn: make(chan struct{}, 1)},
	}
	c.ctx, c.cancel = context.WithCancelCause(e.base)
	return c
}

// laneOf returns the lane in which a message waits for those before it. Two keys
// with the same hash share a lane, which costs them concurrency and nothing else.
func (c *claim) laneOf(msg stage.Message) (lane uint64, laned bool) {
	switch c.e.cfg.Ordering {
	case ByPartition:
		return 0, true
	case ByKey:
		if key := msg.Key(); key != nil {
			return maphash.Bytes(c.e.seed, key), true
		}
	case Unordered:
	}
	return 0, false
}

// newTask makes, or takes up again, a task for an admitted message. The claim's mutex is held.
func (c *claim) newTask(msg stage.Message, ticket offsets.Ticket) *task {
	t := c.free
	if t == nil {
		t = &task{claim: c}
	} else {
		c.free = t.behind
		t.behind = nil
	}
	t.msg, t.ticket = msg, ticket
	t.timed = c.quickRun > 0 || ticket%timedOneIn == 0
	return t
}

// recycle forgets a task's message. The claim's mutex is held.
func (c *claim) recycle(t *task) {
	t.msg, t.follow, t.parking, t.failure, t.attempt = nil, nil, nil, nil, nil
	t.state, t.permit, t.listed, t.laned, t.started = taskQueued, false, false, false, 0
	t.step.Store(0)
	t.behind = c.free
	c.free = t
}

// poke wakes the reader to look at the claim's state.
func (c *claim) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
