package pipeline

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/vlab-research/burrow/source"
)

// drain ends the tenure. What is in flight may finish until the deadline, and what
// waits in front of something that is done or in flight is done too, because otherwise that would be
// repeated. What is contiguous then is committed, and after that nothing of this tenure can resolve
// or commit anything. It runs when the reader has ended.
func (c *claim) drain() {
	began := time.Now()
	deadline, lastStart := time.NewTimer(c.e.cfg.DrainTimeout), time.NewTimer(c.e.cfg.DrainTimeout/2)
	defer deadline.Stop()
	defer lastStart.Stop()
	c.beginDrain()
	// The first commit saves what is done should the drain time out, and tells at
	// once if the partition is another's already: then nothing is worth waiting for.
	if !c.isDrained() {
		_ = c.flush(c.e.cfg.CommitTimeout) // a refusal is seen to by the committer
	}
	select {
	case <-c.drained:
	case <-lastStart.C:
		c.startNoMore()
	case <-c.ctx.Done():
	}
	select {
	case <-c.drained:
	case <-deadline.C:
		c.giveUp()
	case <-c.ctx.Done(): // fenced
	}
	left := max(0, c.e.cfg.DrainTimeout-time.Since(began))
	if err := c.flush(left + c.e.cfg.CommitTimeout); err != nil && !errors.Is(err, source.ErrFenced) {
		c.e.noteCommitFailure(c, err)
	}
	c.tracker.Close()
	c.cancel(c.endCause())
}

// beginDrain drops what has not started, as far as that repeats nothing, and lets go
// what is parked.
func (c *claim) beginDrain() {
	c.mu.Lock()
	c.begun = true
	c.shelf = fifo[arrival]{} // it came after all that has begun
	c.shelved.Store(false)
	limit := c.drainLimit()
	if c.queue.barred.Load() {
		limit = math.MinInt64 // paused or frozen: the user wants nothing to start
	}
	c.trim(limit)
	close(c.draining)
	c.mu.Unlock()
	c.e.pool.beginDrain(&c.queue)
}

// drainLimit returns the offset below which queued messages are worth doing in a
// drain: the highest that is done or in flight, if no failed one holds the commit
// anyway. The claim's mutex is held.
func (c *claim) drainLimit() int64 {
	limit := c.tracker.Usage().Resolved
	for t := c.live.newest; t != nil; t = t.older {
		if t.state != taskQueued {
			limit = max(limit, t.msg.Position().Offset)
			break
		}
	}
	if failed := c.stuck.oldest; failed != nil {
		limit = min(limit, failed.msg.Position().Offset)
	}
	return limit
}

// trim drops what is queued from an offset on. The claim's mutex is held.
func (c *claim) trim(limit int64) {
	c.limit = limit
	for t := c.live.newest; t != nil; {
		older := t.older
		if t.state == taskQueued && t.msg.Position().Offset >= limit {
			t.state = taskDropped
			c.live.remove(t)
		}
		t = older
	}
	if c.live.n == 0 {
		c.endDrain()
	}
}

// endDrain says that nothing is in flight any more. The claim's mutex is held.
func (c *claim) endDrain() {
	if !c.over {
		c.over = true
		close(c.drained)
	}
}

func (c *claim) isDrained() bool {
	select {
	case <-c.drained:
		return true
	default:
		return false
	}
}

// flush commits what may be committed, and tries again until the timeout.
func (c *claim) flush(timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(c.e.base, timeout)
	defer cancel()
	return c.e.committer.flush(ctx, c)
}

// startNoMore drops what waits half-way through the drain. A long queue behind one busy
// key would otherwise take all of it, and cut off what runs at the end.
func (c *claim) startNoMore() {
	c.e.pool.discard(&c.queue)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trim(math.MinInt64)
}

// giveUp cancels what is still in flight at the deadline.
func (c *claim) giveUp() {
	cause := c.endCause()
	c.e.pool.discard(&c.queue)
	c.mu.Lock()
	var stuck []int64
	for t := c.live.oldest; t != nil; t = t.newer {
		stuck = append(stuck, t.msg.Position().Offset)
	}
	c.trim(math.MinInt64)
	c.mu.Unlock()
	if len(stuck) > 0 && !c.fenced.Load() {
		c.e.log.WithFields(c.fields()).WithField("offsets", firstOf(stuck, 10)).WithField("count", len(stuck)).
			Error("burrow: messages not done at the drain's deadline; they are cancelled and will be delivered again")
		if c.e.stopping() {
			c.e.noteStuck(c, stuck)
		}
	}
	c.cancel(cause)
}

func firstOf(offsets []int64, n int) []int64 { return offsets[:min(n, len(offsets))] }

// endCause is why the messages' contexts end.
func (c *claim) endCause() *Error {
	code := PartitionRevoked
	if c.e.stopping() {
		code = DrainTimeout
	}
	return &Error{Code: code, Topic: c.name.topic, Partition: c.name.partition, Offset: -1}
}

// fence ends the tenure at once, because the broker knows another owner: nothing
// that is in flight can be committed any more.
func (c *claim) fence() {
	if c.fenced.Swap(true) {
		return
	}
	c.cancel(&Error{
		Code: PartitionRevoked, Topic: c.name.topic, Partition: c.name.partition, Offset: -1, Cause: source.ErrFenced,
	})
	c.e.pool.discard(&c.queue)
	c.poke() // to drop what is held
}

// stuckError names the messages that did not end in time.
func stuckError(name claimName, offsets []int64) *Error {
	return &Error{
		Code: DrainTimeout, Topic: name.topic, Partition: name.partition, Offset: offsets[0],
		Cause: errors.New(strings.TrimSpace(plural(len(offsets), "message") + " not done at the deadline")),
	}
}
