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

// inline is what the reader runs itself, without another goroutine: messages of its batch, one after the other. Its word is
// odd meanwhile, and moves on with each. Who moves it decides what comes next: if the reader does, it goes on reading; if
// the monitor or a wait does, another reader was started, with what is left of the batch, and the old one finishes its
// message as a worker would. Go's scheduler takes a processor from a thread in a system call the same way.
type inline struct {
	quick   atomic.Bool   // the work is quick enough for the reader
	waiting atomic.Bool   // the reader waits for the source
	turn    chan struct{} // holds one: the permit that the reader waits for
	word    atomic.Uint64
	began   uint64 // word when it became odd, for the batch's message at; two less for each that came after that
	batch   *batch // of the reader that runs something; while word is odd nobody changes it
	task    *task  // of the message being run while word is odd
	seen    uint64 // word at the monitor's last look; the monitor's
	slow    int    // samples in a row that were not quick; the reader's
}

// closedWake makes Receive return at once when nothing is ready.
var closedWake = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// mayRun tells whether the reader may run a message itself.
func (r *reader) mayRun(msg stage.Message) bool {
	if !r.mayGoOn(msg) {
		return false
	}
	if !r.permit {
		r.permit = r.e.pool.tryTake(&r.queue)
	}
	return r.permit
}

// mayGoOn tells whether the reader may run a message itself if it has a permit.
func (r *reader) mayGoOn(msg stage.Message) bool { return !r.queue.barred.Load() && !r.blocked(msg) }

// runInline runs the batch's next messages on the reader's goroutine, until one fails, may not be run, or takes so long
// that another goroutine has become the reader.
func (r *reader) runInline() {
	t := r.inlineTask()
	r.current = r.batch.at
	r.word++
	r.inline.began = r.word
	r.inline.word.Store(r.word)
	r.running = true
	err := r.runAll(t)
	r.running = false
	if r.gone || !r.moveOn(false) {
		r.gone, r.err = true, err
		return
	}
	if r.sampled {
		r.sample()
	}
	r.settle(err)
}

// runAll is the loop of runInline. It returns the error of the last message, and leaves it to end.
func (r *reader) runAll(t *task) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = r.e.panics(t, v)
		}
	}()
	b := &r.batch
	for {
		if _, err = r.e.handler.Process(t, b.received[r.current].Message); err != nil {
			return r.e.named(err)
		}
		if r.current+1 == b.n || !r.mayGoOn(b.received[r.current+1].Message) {
			return nil
		}
		if !r.moveOn(true) {
			r.gone = true
			return nil
		}
		if r.sampled {
			r.sample()
		}
		t.parking = nil // of tries without a wait between them
		r.current++
	}
}

// moveOn ends the message that is run, and begins the next one if the reader goes on. It reports false if another
// goroutine is the reader.
func (r *reader) moveOn(goesOn bool) bool {
	word := r.word + 1
	if goesOn {
		word++
	}
	if !r.inline.word.CompareAndSwap(r.word, word) {
		return false
	}
	r.word = word
	return true
}

// inlineTask returns the task for what the reader runs itself.
func (r *reader) inlineTask() *task {
	if r.task == nil {
		r.mu.Lock()
		r.task = r.newTask(nil, 0)
		r.mu.Unlock()
		r.inline.task, r.inline.batch = r.task, &r.batch
	}
	return r.task
}

// settle ends those messages of the batch that runInline has run, of which the last one may have failed.
func (r *reader) settle(err error) {
	b := &r.batch
	first, n := b.ticket(), r.current+1-b.at
	b.at = r.current + 1
	if err == nil {
		r.task.parking = nil
		r.resolve(first, n)
		return
	}
	r.resolve(first, n-1)
	t := r.task
	r.task = nil
	r.mu.Lock()
	r.adopt(t, b.received[r.current].Message, first+offsets.Ticket(n-1))
	r.mu.Unlock()
	r.finish(t, err)
}

// carryOn ends the message that a former reader was running, and makes its goroutine
// a worker. It is called where nothing holds a message any more: it would be kept for as
// long as the goroutine waits, and with it the whole fetch that it came in.
func (r *reader) carryOn() {
	t, err := r.task, r.err
	r.mu.Lock() // who took over may read the batch
	r.task, r.err, r.batch = nil, nil, batch{}
	r.mu.Unlock()
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

// takeOver makes the message that the reader runs a task like any other, and starts another reader, with what is left of
// the batch, unless that message is over.
func (c *claim) takeOver(word uint64) {
	c.mu.Lock()
	if !c.inline.word.CompareAndSwap(word, word+1) {
		c.mu.Unlock()
		return
	}
	b, t := c.inline.batch, c.inline.task
	done := int(word-c.inline.began) / 2
	left := b.from(b.at + done)
	t.state, t.permit, t.started = taskRunning, true, c.e.clock()
	c.adopt(t, left.received[0].Message, left.first)
	left.at = 1
	first := b.ticket()
	c.mu.Unlock()
	c.resolve(first, done)
	c.startReader(left)
}

// adopt makes the task of a message that the reader ran one of the claim's. The claim's mutex is held.
func (c *claim) adopt(t *task, msg stage.Message, ticket offsets.Ticket) {
	t.msg, t.ticket = msg, ticket
	lane, laned := c.laneOf(msg)
	c.enlist(t, lane, laned)
}

// exited ends the message whose handler ended the reader's goroutine.
func (r *reader) exited() {
	t := r.task
	r.takeOver(r.word) // unless the monitor did
	r.e.retire(t, stage.ErrExited)
}
