package pipeline

import (
	"container/heap"
	"context"
	"sync"
	"sync/atomic"
)

// pool shares the workers between the claims. A permit is the right to run one
// message; there are as many as WithWorkers says. A free permit goes to the
// waiting claim that holds the fewest, so a claim with slow messages can't keep
// another one from its share. Goroutines are started on demand and kept for the next message.
type pool struct {
	limit int
	work  func(first *task) // runs on a goroutine of its own, and calls next until it says nil
	wg    *sync.WaitGroup

	contended atomic.Bool // some claim waits for a permit
	rested    atomic.Bool // some reader rests

	mu      sync.Mutex
	taken   int // permits in use
	ready   readyHeap
	resting []*queue // of readers that wait with a permit, longest first
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
	if q.held != 0 || q.closed || len(p.ready) > 0 || !p.hasRoom(q) {
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
	t.granted = granted
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
	t.granted = nil
	p.arrange(q)
	return false
}

// mayKeep tells whether the holder of one of the queue's permits may go on with
// it, or should give it to a claim that has fewer.
func (p *pool) mayKeep(q *queue) bool {
	if q.barred.Load() {
		return false
	}
	if !p.contended.Load() {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.isFair(q)
}

// mayGoOn tells whether a worker may go on with a message that waited for the one
// that it ended: not if an older one waits, because what is oldest holds the commit.
func (p *pool) mayGoOn(q *queue, t *task) bool {
	if q.barred.Load() {
		return false
	}
	if !p.contended.Load() {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	oldest := q.oldest()
	return p.isFair(q) && (oldest == nil || oldest.ticket > t.ticket)
}

// isFair tells whether no waiting claim holds fewer permits than this one.
func (p *pool) isFair(q *queue) bool { return len(p.ready) == 0 || p.ready[0].taken >= q.taken }

// next gives a permit back, if q isn't nil, and waits for the next message to
// run, with its permit. It returns nil when the goroutine is needed no more.
func (p *pool) next(w *worker, q *queue) *task {
	p.mu.Lock()
	if q != nil {
		switch t := p.another(q); {
		case t == nil:
			p.give(q)
		case !t.callReader():
			p.mu.Unlock()
			return t
		}
	}
	if t := p.claimNext(); t != nil {
		p.serve()
		p.mu.Unlock()
		return t
	}
	if p.closed || p.taken+len(p.idle) >= p.limit {
		p.mu.Unlock()
		return nil
	}
	p.idle = append(p.idle, w)
	p.mu.Unlock()
	return <-w.wake
}

// stickiness is how many messages of one claim a worker takes in a row while other
// claims wait that hold as many permits.
const stickiness = 16

// another returns the next message of the queue for the permit of one that ended, if
// that is fair; nil if others must be looked at. It spares the work of putting the queues in
// order, because nothing changes that they are ordered by.
func (p *pool) another(q *queue) *task {
	if q.index < 0 || q.resumed.head != nil {
		return nil
	}
	switch first := p.ready[0]; {
	case first == q:
	case first.taken < q.taken-1, first.taken == 0:
		return nil
	case first.taken == q.taken-1:
		if q.stuck++; q.stuck >= stickiness {
			q.stuck = 0
			return nil
		}
	}
	t := q.pop()
	if !q.waiting() {
		p.arrange(q)
	}
	return t
}

// discard closes the queue and drops what was not started.
func (p *pool) discard(q *queue) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q.closed = true
	q.barred.Store(true)
	q.fresh, q.early = taskList{}, nil
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

// serve hands out permits while there are any and somebody waits.
func (p *pool) serve() {
	for {
		t := p.claimNext()
		if t == nil {
			return
		}
		if last := len(p.idle) - 1; last >= 0 {
			p.idle[last].wake <- t
			p.idle = p.idle[:last]
			continue
		}
		p.wg.Go(func() { p.work(t) })
	}
}

// claimNext takes a permit for the message to start next. Parked messages that
// come first get theirs on the way.
func (p *pool) claimNext() *task {
	for len(p.ready) > 0 && p.hasRoom(p.ready[0]) {
		q := p.ready[0]
		t := q.pop()
		p.turns++
		q.turn = p.turns
		p.take(q)
		p.arrange(q)
		if granted := t.granted; granted != nil {
			t.granted = nil
			granted <- struct{}{}
			continue
		}
		if t.callReader() {
			continue
		}
		return t
	}
	return nil
}

func (p *pool) take(q *queue) {
	p.taken++
	q.taken++
	p.arrange(q)
}

func (p *pool) give(q *queue) {
	p.taken--
	q.taken--
	p.arrange(q)
}

// arrange puts the queue where it belongs in the heap, or out of it.
func (p *pool) arrange(q *queue) {
	switch in, wants := q.index >= 0, q.waiting(); {
	case in && wants:
		heap.Fix(&p.ready, q.index)
	case wants:
		heap.Push(&p.ready, q)
	case in:
		heap.Remove(&p.ready, q.index)
	}
	p.contended.Store(len(p.ready) > 0)
}
