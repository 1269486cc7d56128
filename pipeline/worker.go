package pipeline

import (
	"github.com/vlab-research/burrow/stage"
)

// work is a worker's life: it starts with a message and its permit, and ends when
// the pool needs it no more.
func (e *engine) work(t *task) { e.workOn(newWorker(), t) }

// carryOn ends the message that a former reader was running, and makes its goroutine a worker.
func (e *engine) carryOn(t *task, err error) {
	w := newWorker()
	e.workOn(w, e.complete(w, t, err))
}

// workOn runs one message after the other until there is none.
func (e *engine) workOn(w *worker, t *task) {
	for t != nil {
		panicked, err := e.workUntilPanic(w, t)
		if panicked == nil {
			return
		}
		t = e.complete(w, panicked, err)
	}
}

// workUntilPanic runs one message after the other, until there is none or a handler panics: for that it returns the
// task and its error. What lies on the stack while a handler waits is cold memory when the wait
// is over, so it is as little as can be.
func (e *engine) workUntilPanic(w *worker, t *task) (panicked *task, err error) {
	var running *task
	defer func() {
		if running == nil {
			return
		}
		if v := recover(); v != nil {
			panicked, err = running, e.panics(running, v)
			return
		}
		e.retire(running, stage.ErrExited) // the handler ended the goroutine
	}()
	for t != nil {
		if !t.claim.begin(t) {
			t = e.pool.next(w, &t.claim.queue, false)
			continue
		}
		running = t
		_, err := e.handler.Process(t, t.msg)
		running = nil
		t = e.complete(w, t, err)
	}
	return nil, nil
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
