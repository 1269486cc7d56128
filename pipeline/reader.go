package pipeline

import (
	"errors"
	"runtime"
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

// reader takes a claim's messages from the source and admits them to the window.
// One goroutine at a time is a claim's reader, and only it admits.
//
// Sarama fetches for all partitions of a broker in one loop, which waits for the slowest reader of them.
// So a reader's patience with a window that has no room ends. What has none by then is held here, and the
// source is asked to pause.
type reader struct {
	*claim
	arrivals [arrivalBatch]arrival // admitted, and not handed on yet
	arrived  int
	batch    batch
	current  int    // which of the batch runs
	task     *task  // for what it runs itself
	word     uint64 // of claim.inline, as this reader left it
	permit   bool
	turns    turns
	now      time.Time
	count    int

	running bool  // a handler, on this goroutine
	sampled bool  // how long the next one takes
	gone    bool  // another goroutine is the reader now
	err     error // if gone, of the task, which this goroutine still has to end
}

// startReader starts a goroutine as the claim's reader, with what another one left to be started.
func (c *claim) startReader(left batch) {
	r := &reader{claim: c, batch: left, word: c.inline.word.Load(), now: time.Now()}
	c.e.wg.Go(r.run)
}

func (r *reader) run() {
	defer r.exit()
	r.startBatch()
	if !r.gone {
		r.goOn() // with what else the reader before left
	}
	for !r.gone && !r.closing.Load() {
		n, err := r.next()
		switch {
		case err == nil:
			r.take(n)
		case errors.Is(err, source.ErrWoken):
			r.goOn()
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

// next receives the next messages, if need be after waiting, and returns how many.
func (r *reader) next() (n int, err error) {
	if r.count >= readBatch {
		r.look()
	}
	into := r.batch.received[:]
	n, err = r.src.Receive(into, closedWake)
	r.count += n
	if err == nil || !errors.Is(err, source.ErrWoken) {
		return n, err
	}
	r.flush()
	r.rest()
	r.intake.waited = 0
	r.inline.waiting.Store(true)
	n, err = r.src.Receive(into, r.wake)
	r.count += n
	r.inline.waiting.Store(false)
	r.getUp()
	r.now = time.Now()
	if r.inline.quick.Load() {
		r.e.monitor.stir()
	}
	return n, err
}

// look does what need not be done for each message.
func (r *reader) look() {
	if r.permit && !r.e.pool.mayKeep(&r.queue, nil) {
		r.releasePermit()
	}
	r.adjust()
	r.count, r.now, r.sampled = 0, time.Now(), true
}

// handOn gives an admitted message to the workers, soon.
func (r *reader) handOn(msg stage.Message, ticket offsets.Ticket) {
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
	if r.shelved.Load() {
		runtime.Gosched() // enough is ready; workers whose waits are over come first
	}
}

// rest says that the reader waits now, and may lose its permit meanwhile. It forgets what was in the batch: each message
// holds the fetch that it came in.
func (r *reader) rest() {
	clear(r.batch.received[:])
	if !r.inline.quick.Load() {
		r.releasePermit()
	}
	if r.permit {
		r.e.pool.rest(&r.queue)
	}
}

func (r *reader) getUp() { r.permit = r.permit && r.e.pool.getUp(&r.queue) }

func (r *reader) releasePermit() {
	if r.permit {
		r.permit = false
		r.e.pool.release(&r.queue)
	}
}
