package pipeline

import (
	"time"

	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/stage"
)

const (
	// turnPatience is how long a reader waits for its turn before it looks whether that is worth it.
	turnPatience = time.Millisecond
	// turnLooks is how often it looks. It may not wait for long: Sarama waits for it, and
	// with it the other partitions of the broker.
	turnLooks = 10
	// firstDeaf and lastDeaf are how many messages a reader hands on after it waited in vain,
	// the first time and at most.
	firstDeaf = 32
	lastDeaf  = 1 << 16
)

// turns is what a reader knows of waiting for its turn.
type turns struct {
	deaf int // messages to hand on without waiting
	vain int // deaf the last time
}

// awaitTurn lets the reader go on by itself after its claim had to hand on messages that
// are as quick: it queues the message as any other, and waits until a worker would take it up. What was
// queued before it is done then, and its permit becomes the reader's. It returns false if that takes too
// long; a worker runs the message then.
func (r *reader) awaitTurn(msg stage.Message, ticket offsets.Ticket) bool {
	r.releasePermit() // one comes with the turn
	lane, laned := r.laneOf(msg)
	r.mu.Lock()
	t := r.newTask(msg, ticket)
	t.awaited.Store(true)
	ready := r.enlist(t, lane, laned)
	r.mu.Unlock()
	if ready {
		r.e.pool.push(&r.queue, taskList{t, t, 1})
	}
	if !r.waitFor(t) {
		r.turns.vain = min(max(2*r.turns.vain, firstDeaf), lastDeaf)
		r.turns.deaf = r.turns.vain
		return false
	}
	r.turns.vain, r.now = 0, time.Now()
	r.permit = true
	r.mu.Lock()
	r.live.remove(t)
	r.outstanding.Add(-1)
	if t.laned {
		r.lanes.free(t)
	}
	r.recycle(t)
	r.mu.Unlock()
	return true
}

// waitFor waits for the task's turn, as long as the claim gets on.
func (r *reader) waitFor(t *task) bool {
	tick := time.NewTicker(turnPatience)
	defer tick.Stop()
	oldest := r.oldestLive()
	for range turnLooks {
		select {
		case <-r.inline.turn:
			return true
		case <-tick.C:
		}
		now := r.oldestLive()
		if now == oldest || r.closing.Load() {
			break
		}
		oldest = now
	}
	if t.awaited.CompareAndSwap(true, false) {
		return false
	}
	<-r.inline.turn // it came just now
	return true
}

// mayWait tells whether the reader's turn is likely to come soon: not behind a message that
// failed, or that is being worked on for long.
func (r *reader) mayWait() bool {
	if r.turns.deaf > 0 {
		r.turns.deaf--
		return false
	}
	if r.queue.barred.Load() {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest := r.live.oldest
	isQuick := oldest == nil || oldest.state == taskQueued || oldest.timed && r.e.clock()-oldest.started <= lookEvery
	return isQuick && r.stuck.n == 0
}

// oldestLive returns the ticket of the oldest message that waits or is worked on; there is one, the
// reader's own.
func (c *claim) oldestLive() offsets.Ticket {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live.oldest == nil { // dropped, because the claim was fenced
		return 0
	}
	return c.live.oldest.ticket
}

// callReader gives the permit for a task to the reader that waits with it; false if none does.
func (t *task) callReader() bool {
	if !t.awaited.Load() || !t.awaited.CompareAndSwap(true, false) {
		return false
	}
	t.claim.inline.turn <- struct{}{}
	return true
}
