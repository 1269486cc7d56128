package pipeline

import (
	"github.com/vlab-research/burrow/stage"
)

// work is a worker's life: it starts with a message and its permit, and ends when
// the pool needs it no more.
func (e *engine) work(t *task) {
	w := &worker{wake: make(chan *task, 1)}
	for t != nil {
		t = e.runTask(w, t)
	}
}

// carryOn ends the message that a former reader was running, and makes its goroutine a worker.
func (e *engine) carryOn(t *task, err error) {
	w := &worker{wake: make(chan *task, 1)}
	for t = e.complete(w, t, err); t != nil; {
		t = e.runTask(w, t)
	}
}

// runTask runs a task and returns the next one, both with a permit.
func (e *engine) runTask(w *worker, t *task) (next *task) {
	if !t.claim.begin(t) {
		return e.pool.next(w, &t.claim.queue, false)
	}
	running := true
	defer func() {
		if !running {
			return
		}
		if v := recover(); v != nil {
			next = e.complete(w, t, stage.Recovered(v))
		} else {
			e.retire(t, stage.ErrExited)
		}
	}()
	_, err := e.handler.Process(t, t.msg)
	running = false
	return e.complete(w, t, err)
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

// invoke runs the stages on a task's message. A panic is an error.
func (e *engine) invoke(t *task) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = stage.Recovered(v)
		}
	}()
	_, err = e.handler.Process(t, t.msg)
	return err
}
