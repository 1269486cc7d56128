package pipeline

import (
	"math"
	"slices"
	"time"
)

// A permit of a claim whose work is quick isn't given away as soon as the claim has nothing to do: it rests, when the
// reader waits for its source, and when a worker has run the last of the claim's messages. Else a claim with slow
// messages, which always wants more permits, would take it each time, and hold it for as long as a slow message takes:
// with all permits it would be as long before the quick claim can go on. A claim that has no permit at all takes one that
// rests; for the others the monitor takes back what has rested for too long.
const (
	// restMost is how long a permit rests: some fetches.
	restMost = 20 * time.Millisecond
	// restingShare is which part of all permits may do so. If more rest, each does for lookEvery.
	restingShare = 8
)

// rest says that the queue's reader waits with a permit.
func (p *pool) rest(q *queue) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if q.resting { // with that of a worker
		p.give(q)
	} else {
		p.lieDown(q)
	}
	p.serve()
}

func (p *pool) lieDown(q *queue) {
	q.resting, q.restingSince = true, p.clock()
	p.resting = append(p.resting, q)
	p.rested.Store(int64(len(p.resting)))
	if p.contended.Load() {
		p.hasten()
	} else {
		p.stir()
	}
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
	p.rested.Store(int64(len(p.resting)))
}

// makeRoom sees to a free permit for the queue, by taking back one that rests if it has none or
// if one of its own rests. It reports false if there is none.
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

// recall takes a permit that rests.
func (p *pool) recall(q *queue) {
	p.endRest(q)
	p.give(q)
}

// recallOverslept takes back the permits that have rested for too long.
func (p *pool) recallOverslept() {
	if p.rested.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range slices.Clone(p.resting) {
		if p.clock()-q.restingSince >= p.restFor(len(p.resting)) {
			p.recall(q)
		}
	}
	p.serve()
}

// recallIn returns how long it may take at most until a permit is due to be taken back; forever if none rests.
func (p *pool) recallIn() time.Duration {
	if n := int(p.rested.Load()); n > 0 {
		return p.restFor(n)
	}
	return math.MaxInt64
}

// restFor returns how long permits may rest while so many do.
func (p *pool) restFor(resting int) time.Duration {
	if restingShare*resting > p.limit {
		return lookEvery
	}
	return restMost
}
