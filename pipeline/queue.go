package pipeline

import (
	"container/heap"
	"sync/atomic"
	"time"

	"github.com/vlab-research/burrow/offsets"
)

// queue is what one claim has for the pool. The pool's mutex guards it.
type queue struct {
	resumed taskList // were parked, and go first: their goroutines wait
	fresh   taskList
	early   ticketHeap // waited for their key, or failed: older than some of fresh
	taken   int        // permits in use
	turn    uint64     // when it was last served
	stuck   int        // messages in a row that one permit ran while it was another's turn
	index   int        // in the heap; −1 when it isn't there
	held    hold       // why nothing fresh starts for now; 0 if nothing holds it
	closed  bool       // nothing fresh starts any more

	draining     bool          // nothing holds it any more
	resting      bool          // one of its permits rests
	restingSince time.Duration // by the engine's clock

	startable atomic.Int64 // how many are in fresh, for those who look without the lock

	barred atomic.Bool // held or closed, for those who look without the lock
}

// hold is a set of reasons not to start messages.
type hold uint8

const (
	holdPaused hold = 1 << iota // the user paused the pipeline
	holdFrozen                  // the claim failed too often
)

func (q *queue) waiting() bool {
	return q.resumed.head != nil || (q.fresh.head != nil || len(q.early) > 0) && q.held == 0
}

// worker is a goroutine that runs one message after the other.
type worker struct {
	wake chan *task // holds at most one: nil ends the worker
}

func newWorker() *worker { return &worker{wake: make(chan *task, 1)} }

func (q *queue) pop() *task {
	if t := q.resumed.pop(); t != nil {
		return t
	}
	if t := q.oldest(); t != nil && t != q.fresh.head {
		heap.Pop(&q.early)
		return t
	}
	t := q.fresh.pop()
	q.startable.Store(int64(q.fresh.n))
	return t
}

// oldest returns the first admitted of those that were not started, nil if there is none.
func (q *queue) oldest() *task {
	if len(q.early) == 0 {
		return q.fresh.head
	}
	if q.fresh.head == nil || q.early[0].ticket < q.fresh.head.ticket {
		return q.early[0].task
	}
	return q.fresh.head
}

// ticketHeap orders tasks by their admission. It holds the tickets, so that ordering
// many tasks doesn't touch them.
type ticketHeap []ticketed

type ticketed struct {
	ticket offsets.Ticket
	task   *task
}

func (h ticketHeap) Len() int           { return len(h) }
func (h ticketHeap) Less(i, j int) bool { return h[i].ticket < h[j].ticket }
func (h ticketHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

func (h *ticketHeap) Push(x any) {
	t, _ := x.(*task)
	*h = append(*h, ticketed{t.ticket, t})
}

func (h *ticketHeap) Pop() any {
	last := len(*h) - 1
	t := (*h)[last].task
	(*h)[last] = ticketed{}
	*h = (*h)[:last]
	return t
}

// readyHeap orders the waiting queues: fewest permits first, then longest unserved.
type readyHeap []*queue

func (h readyHeap) Len() int { return len(h) }

func (h readyHeap) Less(i, j int) bool {
	if h[i].taken != h[j].taken {
		return h[i].taken < h[j].taken
	}
	return h[i].turn < h[j].turn
}

func (h readyHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *readyHeap) Push(x any) {
	q, _ := x.(*queue)
	q.index = len(*h)
	*h = append(*h, q)
}

func (h *readyHeap) Pop() any {
	last := len(*h) - 1
	q := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	q.index = -1
	return q
}

// taskList is a first-in, first-out list linked through the tasks.
type taskList struct {
	head, tail *task
	n          int
}

func (l *taskList) push(t *task) {
	t.behind = nil
	if l.tail == nil {
		l.head = t
	} else {
		l.tail.behind = t
	}
	l.tail = t
	l.n++
}

// join puts another list behind.
func (l *taskList) join(other taskList) {
	if l.tail == nil {
		*l = other
		return
	}
	l.tail.behind = other.head
	l.n += other.n
	if other.tail != nil {
		l.tail = other.tail
	}
}

func (l *taskList) pop() *task {
	t := l.head
	if t == nil {
		return nil
	}
	l.head = t.behind
	if l.head == nil {
		l.tail = nil
	}
	t.behind = nil
	l.n--
	return t
}

// remove takes a task out, wherever it is; O(length).
func (l *taskList) remove(t *task) bool {
	var before *task
	for at := l.head; at != nil; before, at = at, at.behind {
		if at != t {
			continue
		}
		if before == nil {
			l.head = at.behind
		} else {
			before.behind = at.behind
		}
		if l.tail == at {
			l.tail = before
		}
		at.behind = nil
		l.n--
		return true
	}
	return false
}
