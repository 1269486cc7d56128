package middleware

import "container/list"

// queue holds what waits its turn, first come first served. Its owner's lock
// guards it.
type queue struct{ list list.List }

// waiter is one parked message.
type waiter struct {
	wake    chan struct{} // holds one signal to look again
	granted bool
	place   *list.Element // nil when it isn't in the queue
}

func newWaiter() *waiter { return &waiter{wake: make(chan struct{}, 1)} }

func (w *waiter) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (q *queue) add(w *waiter) {
	if w.place == nil {
		w.place = q.list.PushBack(w)
	}
}

func (q *queue) remove(w *waiter) {
	if w.place != nil {
		q.list.Remove(w.place)
		w.place = nil
	}
}

// first returns who waits longest, or nil.
func (q *queue) first() *waiter {
	if front := q.list.Front(); front != nil {
		return front.Value.(*waiter)
	}
	return nil
}

func (q *queue) signalFirst() {
	if w := q.first(); w != nil {
		w.signal()
	}
}
