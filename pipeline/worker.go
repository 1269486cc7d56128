package pipeline

import (
	"github.com/vlab-research/burrow/stage"
)

// work is a worker's life: it starts with a message and its permit, and ends when
// the pool needs it no more.
func (e *engine) work(t *task) { e.workOn(newWorker(), t) }

// carryOn ends the message that a former reader was running, or a worker that ended with a panic, and makes its goroutine
// a worker.
func (e *engine) carryOn(t *task, err error) {
	w := newWorker()
	e.workOn(w, e.complete(w, t, err))
}

// workOn runs one message after the other. What lies on the stack while a handler waits is cold memory when the wait
// is over, so it is as little as can be: a handler's panic ends this goroutine, and another one carries on.
func (e *engine) workOn(w *worker, t *task) {
	var running *task
	defer func() {
		if running == nil {
			return
		}
		if v := recover(); v != nil {
			panicked, err := running, e.panics(running, v)
			e.wg.Go(func() { e.carryOn(panicked, err) })
		} else { // the handler ended the goroutine
			e.retire(running, stage.ErrExited)
		}
	}()
	for t != nil {
		if !t.claim.begin(t) {
			t = e.pool.next(w, &t.claim.queue, false)
			continue
		}
		running = t
		_, err := e.handler.Process(t, t.msg)
		if err != nil {
			err = e.named(err)
		}
		running = nil
		t = e.complete(w, t, err)
	}
}

// complete settles a task and finds the worker's next one.
func (e *engine) complete(w *worker, t *task, err error) *task {
	c := t.claim
	follow, permit := c.finish(t, err)
	if follow != nil && permit && e.pool.mayKeep(&c.queue, follow) {
		if !follow.callReader() {
			return follow
		}
		follow, permit = nil, false
	}
	if follow != nil {
		e.pool.pushEarly(&c.queue, follow)
	}
	if !permit {
		return e.pool.next(w, nil, false)
	}
	return e.pool.next(w, &c.queue, c.inline.quick.Load())
}

// retire settles a task whose goroutine ends, and passes on what it holds.
func (e *engine) retire(t *task, err error) {
	c := t.claim
	follow, permit := c.finish(t, err)
	if follow != nil {
		e.pool.pushEarly(&c.queue, follow)
	}
	if permit {
		e.pool.release(&c.queue)
	}
}
