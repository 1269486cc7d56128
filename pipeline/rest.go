package pipeline

import "slices"

// A reader that waits for its source keeps its permit for a moment: it rests. Else a claim
// with slow messages, which always wants more permits, would take it each time, and hold it for as
// long as a slow message takes. A claim that has no permit at all takes one that rests; for the others
// the monitor takes back what has rested since it looked before.

// rest says that the queue's reader waits with a permit.
func (p *pool) rest(q *queue) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q.resting, q.overslept = true, false
	p.resting = append(p.resting, q)
	p.rested.Store(true)
	p.serve()
}

// getUp ends the rest, and reports whether the permit is still there.
func (p *pool) getUp(q *queue) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !q.resting {
		return false
	}
	p.endRest(q)
	return true
}

func (p *pool) endRest(q *queue) {
	q.resting = false
	at := slices.Index(p.resting, q)
	p.resting = slices.Delete(p.resting, at, at+1)
	p.rested.Store(len(p.resting) > 0)
}

// makeRoom sees to a free permit for the queue, by taking back one that rests if it has none or
// its own reader is the one who rests. It reports false if there is none.
func (p *pool) makeRoom(q *queue) bool {
	switch {
	case p.taken < p.limit:
		return true
	case q.resting:
		p.recall(q)
		return true
	case q.taken == 0 && len(p.resting) > 0:
		p.recall(p.resting[0])
		return true
	default:
		return false
	}
}

// recall takes the permit of a reader that rests.
func (p *pool) recall(q *queue) {
	p.endRest(q)
	p.give(q)
}

// recallOverslept takes back the permits that have rested since the call before.
func (p *pool) recallOverslept() {
	if !p.rested.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range slices.Clone(p.resting) {
		if q.overslept {
			p.recall(q)
		}
		q.overslept = true
	}
	p.serve()
}
