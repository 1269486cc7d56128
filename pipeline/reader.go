package pipeline

import (
	"errors"
	"time"

	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// readBatch is how many messages a reader takes between two looks at the clock and
// at what others wait for.
const readBatch = 64

// arrivalBatch is how many messages a reader hands to the workers at once, while more
// of them are ready. Workers wait for that moment, so it is short.
const arrivalBatch = 16

// arrival is an admitted message on its way to the workers.
type arrival struct {
	msg    stage.Message
	ticket offsets.Ticket
	lane   uint64 // meaningful if laned
	laned  bool
}

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
	held   backlog // received, but the window has no room
	paused bool    // the source was asked to send no more
}

// reader takes a claim's messages from the source and admits them to the window.
// One goroutine at a time is a claim's reader, and only it admits.
//
// A claim is always read, because Sarama fetches for all partitions of a broker
// in one loop, which waits for the slowest reader of them. What has no room in the
// window is held here, and the source is asked to pause.
type reader struct {
	*claim
	arrivals [arrivalBatch]arrival // admitted, and not handed on yet
	arrived  int
	task     *task  // for the next message that it runs itself
	word     uint64 // of claim.inline, as this reader left it
	permit   bool
	now      time.Time
	count    int

	running bool  // a handler, on this goroutine
	sampled bool  // how long the next one takes
	gone    bool  // another goroutine is the reader now
	err     error // if gone, of the task, which this goroutine still has to end
}

// startReader starts a goroutine as the claim's reader.
func (c *claim) startReader() {
	r := &reader{claim: c, word: c.inline.word.Load(), now: time.Now()}
	c.e.wg.Go(r.run)
}

func (r *reader) run() {
	defer r.exit()
	for !r.gone && !r.closing.Load() {
		msg, err := r.next()
		switch {
		case err == nil:
			r.take(msg)
		case errors.Is(err, source.ErrWoken):
			r.refill()
			if !r.gone {
				r.adjust()
			}
		default:
			r.revoked.Store(true)
			r.closing.Store(true)
		}
	}
	r.flush()
	if r.gone {
		r.carryOn()
	}
}

// exit passes on what the reader has when it ends, also when a handler that it
// ran ended the goroutine.
func (r *reader) exit() {
	switch {
	case r.running:
		r.exited()
	case !r.gone:
		r.releasePermit()
		close(r.read)
	}
}

// next returns the next message, if need be after waiting without a permit.
func (r *reader) next() (stage.Message, error) {
	if r.count++; r.count%readBatch == 0 {
		r.look()
	}
	msg, err := r.src.Receive(closedWake)
	if err == nil || !errors.Is(err, source.ErrWoken) {
		return msg, err
	}
	r.flush()
	r.releasePermit()
	r.inline.waiting.Store(true)
	msg, err = r.src.Receive(r.wake)
	r.inline.waiting.Store(false)
	r.now = time.Now()
	if r.inline.quick.Load() {
		r.e.monitor.stir()
	}
	return msg, err
}

// look does what need not be done for each message.
func (r *reader) look() {
	if r.permit && !r.e.pool.mayKeep(&r.queue) {
		r.releasePermit()
	}
	r.adjust()
	r.now, r.sampled = time.Now(), true
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
	if !r.gone {
		r.adjust()
	}
}

// refill admits what is held while there is room.
func (r *reader) refill() {
	if r.fenced.Load() {
		r.intake.held = backlog{}
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
		r.heldNow.Store(int64(r.intake.held.n))
		if err == nil {
			r.start(msg, ticket)
		}
	}
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

// start runs an admitted message here, if that is quick, or hands it on.
func (r *reader) start(msg stage.Message, ticket offsets.Ticket) {
	if r.inline.quick.Load() {
		r.flush() // for the lanes to be known, and because what comes next may take long
		if r.mayRun(msg) {
			r.runInline(msg, ticket)
			return
		}
	}
	lane, laned := r.laneOf(msg)
	r.arrivals[r.arrived] = arrival{msg, ticket, lane, laned}
	if r.arrived++; r.arrived == arrivalBatch {
		r.flush()
	}
}

// flush hands on what was admitted.
func (r *reader) flush() {
	if r.arrived == 0 {
		return
	}
	r.dispatch(r.arrivals[:r.arrived])
	clear(r.arrivals[:r.arrived])
	r.arrived = 0
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
	if backed && r.intake.held.n == 0 && r.failedHead() {
		backed = false
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
	used := r.tracker.Fill()
	return r.intake.held.n > 0 || used >= pauseAt || (r.intake.paused && used > resumeAt)
}

func (r *reader) releasePermit() {
	if r.permit {
		r.permit = false
		r.e.pool.release(&r.queue)
	}
}

// fullUp sees to it that a full window doesn't stay so for want of a commit, or in silence.
func (r *reader) fullUp(err error) {
	if errors.Is(err, offsets.ErrDue) {
		r.e.committer.ask()
	}
	r.checkBlocked()
}

// checkBlocked ends the claim's silence when nothing more fits into the window and what
// holds it is a failed message that the strategy will never pass.
func (r *reader) checkBlocked() {
	usage := r.tracker.Usage()
	if !r.failedHead() || r.willPass(usage.Oldest.Offset) {
		return
	}
	r.block(usage.Oldest.Offset, r.lastFailure())
}

// failedHead tells whether what holds the commit is a failed message.
func (c *claim) failedHead() bool {
	usage := c.tracker.Usage()
	return usage.Held && usage.Oldest.State == offsets.Failed
}

// willPass tells whether the strategy lets the commit pass an offset, now or later.
func (c *claim) willPass(offset int64) bool {
	const aLongTime = 100 * 365 * 24 * time.Hour
	return c.tracker.Committable(c.e.cfg.Strategy, time.Now().Add(aLongTime)) >= offset
}
