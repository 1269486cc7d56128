package offsets

// slot is a message of the window. Who admits fills it, and hands it over by moving next.
type slot struct {
	offset int64
	since  int64 // nanoseconds after the tracker's base
	bytes  int64 // of all messages ever admitted, up to this one
}

// mark is what became of the message in the slot beside it; the zero one is of a pending message, or
// of none. Only who holds the mutex touches marks: a message settles without a look at the
// slot, which may be on the cache lines of who admits.
type mark struct {
	attempts uint16
	state    State
}

const firstRingSize = 64

// ring holds something for each of consecutive tickets in a power of two of places. It
// grows when the window does, and doesn't shrink.
type ring[T any] struct {
	places []T
	mask   Ticket
}

func (r *ring[T]) at(ticket Ticket) *T { return &r.places[ticket&r.mask] }

// room is how many messages fit: one less than there are places, because the last
// one that left is kept, to tell what was delivered and how many bytes.
func (r *ring[T]) room() Ticket {
	return Ticket(max(len(r.places)-1, 0))
}

// grow makes room for more tickets than now, of which head to end are in use.
func (r *ring[T]) grow(head, end Ticket) {
	grown := make([]T, max(2*len(r.places), firstRingSize))
	mask := Ticket(len(grown) - 1)
	if head > 0 {
		head-- // the last one that left
	}
	for i := head; i < end; i++ {
		grown[i&mask] = *r.at(i)
	}
	r.places, r.mask = grown, mask
}

// clear zeroes the places from head to end, which are not all of them.
func (r *ring[T]) clear(head, end Ticket) {
	from, to := head&r.mask, end&r.mask
	if from > to { // round the end
		clear(r.places[from:])
		from = 0
	}
	clear(r.places[from:to])
}
