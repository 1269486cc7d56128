package pipeline

import (
	"errors"
	"time"

	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// commitPatience is how long a reader waits for a commit that gives room before it pauses the
// source. Sarama waits for it, and with it the other partitions of the broker.
const commitPatience = 20 * time.Millisecond

// Shares of the window at which the source is asked to pause and to go on. They are
// close together because a Sarama consumer whose partitions are all paused naps for
// 100 ms: what is queued must last for that and for the next fetch.
const (
	pauseAt  = 0.8
	resumeAt = 0.75
)

// intake is what the readers of a claim hand on to each other. Only the reader
// touches it.
type intake struct {
	held   fifo[stage.Message] // received, but the window has no room
	due    bool                // a commit gives room
	tired  bool                // of waiting for that commit
	paused bool                // the source was asked to send no more
}

// take admits a message and starts it, or holds it until the window has room.
func (r *reader) take(msg stage.Message) {
	if r.fenced.Load() {
		return
	}
	if r.intake.held.n == 0 && r.admit(msg) {
		return
	}
	r.intake.held.push(msg)
	r.heldNow.Store(int64(r.intake.held.n))
	r.starved.Store(true)
	r.refill() // room may have come before starved was set
	r.awaitCommit()
	if !r.gone {
		r.adjust()
	}
}

// refill admits what is held while there is room.
func (r *reader) refill() {
	if r.fenced.Load() {
		r.intake.held = fifo[stage.Message]{}
		r.heldNow.Store(0)
	}
	for !r.gone && r.intake.held.n > 0 {
		msg := r.intake.held.front()
		ticket, err := r.tracker.Admit(msg.Position().Offset, sizeOf(msg), r.now)
		if errors.Is(err, offsets.ErrFull) {
			r.fullUp(err)
			return
		}
		r.intake.held.pop()
		if r.intake.held.n == 0 {
			r.intake.held = fifo[stage.Message]{} // one fetch's worth need not stay
		}
		r.intake.tired = false
		r.heldNow.Store(int64(r.intake.held.n))
		if err == nil {
			r.start(msg, ticket)
		}
	}
}

// goOn admits what is held while there is room, and asks the source for more or for less.
func (r *reader) goOn() {
	r.refill()
	if !r.gone {
		r.adjust()
	}
}

// awaitCommit waits for the commit that gives room, if that comes soon. It spares a pause, which
// lasts until Sarama looks again.
func (r *reader) awaitCommit() {
	if !r.mayAwaitCommit() {
		return
	}
	timer := time.NewTimer(commitPatience)
	defer timer.Stop()
	for r.mayAwaitCommit() {
		r.flush()
		r.rest()
		select {
		case <-r.wake:
		case <-timer.C:
			r.intake.tired = true
		}
		r.getUp()
		if !r.intake.tired {
			r.refill()
		}
	}
}

// mayAwaitCommit looks at what the readers hand on only if this one is the reader still.
func (r *reader) mayAwaitCommit() bool {
	return !r.gone && !r.closing.Load() && r.intake.held.n > 0 && r.intake.due && !r.intake.tired
}

// admit takes a message into the window and starts it; false if there is no room.
func (r *reader) admit(msg stage.Message) bool {
	ticket, err := r.tracker.Admit(msg.Position().Offset, sizeOf(msg), r.now)
	switch {
	case err == nil:
		r.start(msg, ticket)
	case errors.Is(err, offsets.ErrFull):
		return false
	case errors.Is(err, offsets.ErrStale):
		r.e.log.WithFields(r.fields()).Warn("burrow: the source repeated a message; it was ignored")
	}
	return true
}

// adjust asks the source to pause before the window is full, and to go on when there
// is room again. Behind a failed message it reads on, because only a full
// window says that there is no way on.
func (r *reader) adjust() {
	backed := r.backed()
	if backed && !r.starved.Swap(true) {
		backed = r.backed() // room may have come before starved was set
	}
	r.starved.Store(backed)
	if backed && r.intake.held.n == 0 {
		_, failed := r.failedHead()
		backed = !failed
	}
	pause := backed || r.e.paused.Load() || r.isFrozen()
	if pause == r.intake.paused {
		return
	}
	r.intake.paused = pause
	if pause {
		r.src.Pause()
	} else {
		r.src.Resume()
	}
}

// backed tells whether the window is too full, or has been and has no room again yet.
func (r *reader) backed() bool {
	used := r.tracker.FillUnresolved()
	return r.intake.held.n > 0 || used >= pauseAt || (r.intake.paused && used > resumeAt)
}

// fullUp sees to it that a full window doesn't stay so for want of a commit, or in silence.
func (r *reader) fullUp(err error) {
	r.intake.due = errors.Is(err, offsets.ErrDue)
	if r.intake.due {
		r.e.committer.ask(r.claim)
	}
	r.checkBlocked()
}

// checkBlocked ends the claim's silence when nothing more fits into the window and what
// holds it is a failed message that the strategy will never pass.
func (r *reader) checkBlocked() {
	if offset, failed := r.failedHead(); failed && !r.willPass(offset) {
		r.block(offset, r.lastFailure())
	}
}

// failedHead tells whether what holds the commit is a failed message, and which.
func (c *claim) failedHead() (offset int64, failed bool) {
	usage := c.tracker.Usage()
	return usage.Oldest.Offset, usage.Held && usage.Oldest.State == offsets.Failed
}

// willPass tells whether the strategy lets the commit pass an offset, now or later.
func (c *claim) willPass(offset int64) bool {
	const aLongTime = 100 * 365 * 24 * time.Hour
	return c.tracker.Committable(c.e.cfg.Strategy, time.Now().Add(aLongTime)) >= offset
}

// sizeOf returns what a message counts for in the window's bytes.
func sizeOf(msg stage.Message) int {
	size := len(msg.Key()) + len(msg.Value())
	if sized, ok := msg.(source.HeaderSizer); ok {
		return size + sized.HeaderBytes()
	}
	for _, h := range msg.Headers() {
		size += len(h.Key) + len(h.Value)
	}
	return size
}
