package pipeline

import "container/heap"

// mayKeep tells whether the holder of one of the queue's permits may go on with
// it, or should give it to a claim that has fewer. A worker goes on with a message that waited for the
// one that it ended, if that isn't nil: not if an older one waits, because what is oldest holds the commit.
func (p *pool) mayKeep(q *queue, follow *task) bool {
	if q.barred.Load() {
		return false
	}
	if !p.contended.Load() {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	oldest := q.oldest()
	return p.isFair(q) && (follow == nil || oldest == nil || oldest.ticket > follow.ticket)
}

// isFair tells whether no waiting claim holds fewer permits than this one.
func (p *pool) isFair(q *queue) bool { return len(p.ready) == 0 || p.ready[0].taken >= q.taken }

// next gives a permit back, if q isn't nil, and waits for the next message to
// run, with its permit. If the work on the queue's messages is quick, its last permit rests instead. It returns nil
// when the goroutine is needed no more.
func (p *pool) next(w *worker, q *queue, quick bool) *task {
	p.mu.Lock()
	if q != nil {
		switch t := p.another(q); {
		case t == nil && quick && q.taken == 1 && !q.waiting() && !q.closed:
			p.lieDown(q)
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
	for len(p.ready) > 0 && p.makeRoom(p.ready[0]) {
		q := p.ready[0]
		t := q.pop()
		p.turns++
		q.turn = p.turns
		p.take(q)
		p.arrange(q)
		if t.tellGranted() {
			continue
		}
		if t.callReader() {
			continue
		}
		return t
	}
	return nil
}

// tellGranted tells the goroutine of a message that was parked that it has a permit; false if it wasn't.
func (t *task) tellGranted() bool {
	if t.parking == nil || t.parking.granted == nil {
		return false
	}
	granted := t.parking.granted
	t.parking.granted = nil // before it is told: then the task is its own again
	granted <- struct{}{}
	return true
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
	if waits := len(p.ready) > 0; waits != p.contended.Load() {
		p.contended.Store(waits)
		if waits && len(p.resting) > 0 {
			p.hasten()
		}
	}
}
