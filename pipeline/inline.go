package pipeline

import (
	"sync/atomic"
	"time"

	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/stage"
)

const (
	// quickWork is how long the work on a message may take for the reader to do it
	// itself: a few times what handing it to a worker costs.
	quickWork = 5 * time.Microsecond
	// quickProof is how many messages in a row must have been that quick.
	quickProof = 32
	// timedOneIn is of how many messages one is timed while they are not quick: the clock is
	// a good part of what a message costs in the engine.
	timedOneIn = 8
)

// inline is the message that the reader runs itself, without another goroutine.
// Its word is odd while one is being run. Who moves it on from there decides what comes next:
// if the reader does, it goes on reading; if the monitor or a wait does, another
// reader was started, and the old one finishes its message as a worker would.
// Go's scheduler takes a processor from a thread in a system call the same way.
type inline struct {
	quick   atomic.Bool   // the work is quick enough for the reader
	waiting atomic.Bool   // the reader waits for the source
	turn    chan struct{} // holds one: the permit that the reader waits for
	word    atomic.Uint64
	task    *task  // being run while word is odd
	seen    uint64 // word at the monitor's last look; the monitor's
	slow    int    // samples in a row that were not quick; the reader's
}

// closedWake makes Receive return at once when nothing is ready.
var closedWake = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// mayRun tells whether the reader may run a message itself.
func (r *reader) mayRun(msg stage.Message) bool {
	if r.queue.barred.Load() || r.blocked(msg) {
		return false
	}
	if !r.permit {
		r.permit = r.e.pool.tryTake(&r.queue)
	}
	return r.permit
}

// runInline runs a message on the reader's goroutine.
func (r *reader) runInline(msg stage.Message, ticket offsets.Ticket) {
	t := r.task
	if t == nil {
		r.mu.Lock()
		t = r.newTask(nil, 0)
		r.mu.Unlock()
		r.task = t
	}
	t.msg, t.ticket = msg, ticket
	if r.inline.task != t { // the store of a pointer costs more than to look
		r.inline.task = t
	}
	r.inline.word.Store(r.word + 1)

	r.running = true
	_, err := r.e.handler.Process(t, msg)
	r.running = false
	if !r.inline.word.CompareAndSwap(r.word+1, r.word+2) {
		r.gone, r.err = true, err
		return
	}
	r.word += 2
	if r.sampled {
		r.sample()
	}
	if err == nil && r.settle(t) {
		return
	}
	r.task = nil
	lane, laned := r.laneOf(msg)
	r.mu.Lock()
	r.enlist(t, lane, laned)
	r.mu.Unlock()
	r.finish(t, err)
}

// carryOn ends the message that a former reader was running, and makes its goroutine
// a worker. It is called where no frame holds a message any more: one would be kept for as
// long as the goroutine waits, and with it the whole fetch that it came in.
func (r *reader) carryOn() {
	t, err := r.task, r.err
	r.task, r.err = nil, nil
	r.e.carryOn(t, err)
}

// sample leaves the quick mode when two messages in a row, of those looked at,
// took too long.
func (r *reader) sample() {
	r.sampled = false
	took := time.Since(r.now)
	if took <= quickWork {
		r.inline.slow = 0
		return
	}
	if r.inline.slow++; r.inline.slow >= 2 {
		r.inline.slow = 0
		r.inline.quick.Store(false)
	}
}

// settle resolves a message that succeeded in the reader. The task keeps it until the next one comes, or the reader waits.
func (r *reader) settle(t *task) bool {
	changed, due := r.tracker.Resolve(t.ticket)
	if !changed {
		return false
	}
	r.endRow()
	if due {
		r.e.committer.ask(r.claim)
	}
	return true
}

// takeOver makes the message that the reader runs a task like any other, so that
// another reader can be started, unless that message is over.
func (c *claim) takeOver(word uint64) {
	c.mu.Lock()
	if !c.inline.word.CompareAndSwap(word, word+1) {
		c.mu.Unlock()
		return
	}
	t := c.inline.task
	t.state, t.permit, t.started = taskRunning, true, c.e.clock()
	lane, laned := c.laneOf(t.msg)
	c.enlist(t, lane, laned)
	c.mu.Unlock()
	c.startReader()
}

// exited ends the message whose handler ended the reader's goroutine.
func (r *reader) exited() {
	t := r.task
	r.takeOver(r.word + 1) // unless the monitor did
	r.e.retire(t, stage.ErrExited)
}
