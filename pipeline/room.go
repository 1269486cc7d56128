package pipeline

import (
	"errors"
	"slices"
	"time"

	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/source"
)

// A reader that has no room waits for it before it has the source paused: a Sarama consumer whose partitions are all
// paused naps for 100 ms, and a resumed one is asked for only when the long poll for the others ends. But
// Sarama fetches nothing for a broker's other partitions while it waits for a reader.
const (
	// patience is how long a reader waits in all, of what one fetch brought, while others wait for the source.
	patience = 20 * time.Millisecond
	// lonePatience is how long it waits for any room while none does.
	lonePatience = 50 * time.Millisecond
	// patientSize is how large messages may be, on average, for a reader to wait for more than a commit: meanwhile
	// Sarama fills its channel, with 256 messages whatever their size. So that is one fetch more at most.
	patientSize = 4 << 10
)

// A claim is backed up when so much of its window is unresolved, and relieved when it is so little again: then it is
// resumed, and the readers that wait for room give way to it. What is queued by then must last for Sarama's nap or
// long poll, and for the next fetch.
const (
	backedAt  = 0.8
	relieveAt = 0.75
)

// intake is what the readers of a claim hand on to each other. Only the reader
// touches it.
type intake struct {
	held   fifo[source.Delivery] // received, but the window has no room
	due    bool                  // a commit gives room
	backed bool                  // too full
	waited time.Duration         // for room, of what one fetch brought, while others waited for the source
	tired  bool                  // of waiting for room, until the claim is relieved
	paused bool                  // the source was asked to send no more
}

// take admits what was received and starts it, or holds it until the window has room.
func (r *reader) take(n int) {
	if r.fenced.Load() {
		return
	}
	b := &r.batch
	b.n = 0
	if r.intake.held.n == 0 {
		_ = r.admit(n) // the one that failed is held, and so tried again
	}
	if b.n < n {
		r.hold(b.received[b.n:n])
	}
	r.startBatch()
	if r.gone || r.intake.held.n == 0 {
		return
	}
	r.starved.Store(true)
	r.refill() // room may have come before starved was set
	r.awaitRoom()
	if !r.gone {
		r.adjust()
	}
}

// admit takes the first n messages of the batch into the window, or as many as it has room for.
func (r *reader) admit(n int) error {
	var entries [batchSize]offsets.Entry
	b := &r.batch
	for i := range b.received[:n] {
		d := &b.received[i]
		entries[i] = offsets.Entry{Offset: d.Offset, Size: d.Size}
	}
	var err error
	b.at = 0
	b.first, b.n, err = r.tracker.AdmitAll(entries[:n], r.now)
	return err
}

// hold keeps what the window has no room for.
func (r *reader) hold(received []source.Delivery) {
	for _, d := range received {
		r.intake.held.push(d)
	}
	r.heldNow.Store(int64(r.intake.held.n))
}

// refill admits what is held while there is room.
func (r *reader) refill() {
	if r.fenced.Load() {
		r.intake.held = fifo[source.Delivery]{}
		r.heldNow.Store(0)
	}
	for b := &r.batch; !r.gone && r.intake.held.n > 0; {
		n := min(r.intake.held.n, batchSize)
		for i := range n {
			b.received[i] = *r.intake.held.at(i)
		}
		err := r.admit(n)
		for range b.n {
			r.intake.held.pop()
		}
		isFull := errors.Is(err, offsets.ErrFull)
		if err != nil && !isFull {
			r.intake.held.pop()
		}
		if errors.Is(err, offsets.ErrStale) {
			r.e.log.WithFields(r.fields()).Warn("burrow: the source repeated a message; it was ignored")
		}
		if r.intake.held.n == 0 {
			r.intake.held = fifo[source.Delivery]{} // one fetch's worth need not stay
		}
		r.heldNow.Store(int64(r.intake.held.n))
		r.startBatch()
		if isFull && !r.gone {
			r.fullUp(err)
			return
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

// awaitRoom waits for room in the window, if that comes soon.
func (r *reader) awaitRoom() {
	if !r.mayAwaitRoom() {
		return
	}
	began := time.Now()
	timer := time.NewTimer(r.patience())
	defer timer.Stop()
	for r.mayAwaitRoom() {
		r.flush()
		r.rest()
		over := false
		select {
		case <-r.wake:
		case <-timer.C:
			over = true
		}
		r.getUp()
		r.refill() // in any case: room may have come at the same moment
		if over && r.mayAwaitRoom() {
			r.intake.tired = true
		}
	}
	r.noteWait(began)
}

// noteWait counts what was waited against the reader's patience, while others wait for the source.
func (r *reader) noteWait(began time.Time) {
	switch {
	case r.gone:
	case r.othersWait():
		r.intake.waited += time.Since(began)
	default:
		r.intake.waited = 0
	}
}

// mayAwaitRoom looks at what the readers hand on only if this one is the reader still.
func (r *reader) mayAwaitRoom() bool {
	return !r.gone && !r.closing.Load() && r.intake.held.n > 0 && !r.intake.tired
}

// patience returns how long the reader may wait for room from now on.
func (r *reader) patience() time.Duration {
	usage := r.tracker.Usage()
	large := usage.Bytes > patientSize*int64(usage.Messages)
	switch {
	case large && !r.intake.due:
		return 0
	case large || r.othersWait():
		return patience - r.intake.waited
	default:
		return lonePatience
	}
}

// othersWait tells whether the reader of another claim waits for the source, and has room for what it may bring.
func (r *reader) othersWait() bool {
	return slices.ContainsFunc(r.e.claims(), func(c *claim) bool {
		return c != r.claim && c.inline.waiting.Load() && !c.starved.Load()
	})
}

// adjust asks the source to pause when the reader has no room and is tired of waiting for it, and to go on when there
// is room again.
func (r *reader) adjust() {
	backed := r.backed()
	if backed && !r.starved.Swap(true) {
		backed = r.backed() // room may have come before starved was set
	}
	r.starved.Store(backed)
	r.intake.backed = backed
	r.intake.tired = r.intake.tired && backed
	pause := r.intake.tired || r.e.paused.Load() || r.isFrozen()
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
	return r.intake.held.n > 0 || used >= backedAt || (r.intake.backed && used > relieveAt)
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
