package pipeline

import (
	"container/heap"
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// pool shares the workers between the claims. A permit is the right to run one
// message; there are as many as WithWorkers says. A free permit goes to the
// waiting claim that holds the fewest, so a claim with slow messages can't keep
// another one from its share. Goroutines are started on demand and kept for the next message.
type pool struct {
	limit  int
	work   func(first *task) // runs on a goroutine of its own, and calls next until it says nil
	wg     *sync.WaitGroup
	clock  func() time.Duration
	stir   func() // wakes the monitor, to see to what rests
	hasten func() // wakes the monitor, because a claim waits for a permit that rests

	contended atomic.Bool  // some claim waits for a permit
	rested    atomic.Int64 // permits that rest

	mu      sync.Mutex
	taken   int // permits in use
	ready   readyHeap
	resting []*queue // those with a permit that rests, longest first
	turns   uint64
	idle    []*worker // goroutines without a message, most recent last
	closed  bool
}

// push queues messages to be started, unless the claim drains.
func (p *pool) push(q *queue, fresh taskList) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if q.closed {
		return
	}
	q.fresh.join(fresh)
	q.startable.Store(int64(q.fresh.n))
	p.arrange(q)
	p.serve()
}

// pushEarly queues messages that waited for something else than a worker. They go
// before those that were admitted later.
func (p *pool) pushEarly(q *queue, early ...*task) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if q.closed {
		return
	}
	for _, t := range early {
		heap.Push(&q.early, t)
	}
	p.arrange(q)
	p.serve()
}

// tryTake takes a permit if one is free and nobody waits for it.
func (p *pool) tryTake(q *queue) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if q.held != 0 || q.closed || len(p.ready) > 0 || !p.makeRoom(q) {
		return false
	}
	p.take(q)
	return true
}

// release gives a permit back.
func (p *pool) release(q *queue) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.give(q)
	p.serve()
}

// retake gets a permit again for a message that was parked, and waits for it. It
// reports false if ctx ended first; the message then goes on without a permit, to its end.
func (p *pool) retake(ctx context.Context, q *queue, t *task) bool {
	p.mu.Lock()
	granted := make(chan struct{}, 1)
	t.parking.granted = granted
	q.resumed.push(t)
	p.arrange(q)
	p.serve()
	p.mu.Unlock()
	select {
	case <-granted:
		return true
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !q.resumed.remove(t) {
		return true // granted meanwhile
	}
	t.parking.granted = nil
	p.arrange(q)
	return false
}

// discard closes the queue and drops what was not started.
func (p *pool) discard(q *queue) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q.closed = true
	q.barred.Store(true)
	q.fresh, q.early = taskList{}, nil
	q.startable.Store(0)
	p.arrange(q)
}

// beginDrain takes the holds off a queue for good.
func (p *pool) beginDrain(q *queue) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q.draining, q.held = true, 0
	q.barred.Store(q.closed)
	p.arrange(q)
	p.serve()
}

// hold sets or clears a reason not to start what the queue has.
func (p *pool) hold(q *queue, why hold, on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if q.draining {
		return
	}
	if on {
		q.held |= why
	} else {
		q.held &^= why
	}
	q.barred.Store(q.held != 0 || q.closed)
	p.arrange(q)
	p.serve()
}

// close lets the idle goroutines go. No message may be pushed any more.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, w := range p.idle {
		w.wake <- nil
	}
	p.idle = nil
}
