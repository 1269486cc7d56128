package pipeline

import (
	"iter"
	"math/bits"

	"github.com/vlab-research/burrow/offsets"
)

// tasks are some of a claim's tasks, in the order of their admission: a ring with a place for each ticket. Who leaves
// empties a place, and touches no other task: in a linked list it would be two, which are cold memory by then. The claim's
// mutex guards it.
type tasks struct {
	ring       []*task        // as long as a power of two; it doesn't shrink
	first, end offsets.Ticket // where tasks are; if there are any, the oldest is at first
	n          int
}

// fewestPlaces is how long a ring is at first.
const fewestPlaces = 64

func (l *tasks) place(ticket offsets.Ticket) *(*task) {
	return &l.ring[int(ticket)&(len(l.ring)-1)]
}

// oldest returns the task that was admitted first, nil if there is none.
func (l *tasks) oldest() *task {
	if l.n == 0 {
		return nil
	}
	return *l.place(l.first)
}

// all yields the tasks, the oldest first. Those that it has yielded may be removed meanwhile.
func (l *tasks) all() iter.Seq[*task] {
	return func(yield func(*task) bool) {
		for ticket, end := l.first, l.end; ticket < end && l.n > 0; ticket++ {
			if t := *l.place(ticket); t != nil && !yield(t) {
				return
			}
		}
	}
}

func (l *tasks) push(t *task) {
	if l.n == 0 {
		l.first, l.end = t.ticket, t.ticket
	}
	first, end := min(l.first, t.ticket), max(l.end, t.ticket+1)
	if places := int(end - first); places > len(l.ring) {
		l.grow(places)
	}
	l.first, l.end = first, end
	*l.place(t.ticket) = t
	l.n++
}

// grow makes room for that many places.
func (l *tasks) grow(places int) {
	was := *l
	l.ring = make([]*task, max(1<<bits.Len(uint(places-1)), fewestPlaces))
	for t := range was.all() {
		*l.place(t.ticket) = t
	}
}

func (l *tasks) remove(t *task) {
	*l.place(t.ticket) = nil
	l.n--
	for l.n > 0 && *l.place(l.first) == nil {
		l.first++
	}
}
