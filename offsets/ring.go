package offsets

// slot is one message of the window.
type slot struct {
	offset   int64
	since    int64 // nanoseconds after the tracker's base
	bytes    int64 // of all messages ever admitted, up to this one
	attempts uint16
	state    State
}

const firstRingSize = 64

// ring holds the slots of consecutive tickets in a power of two of places. It grows
// when the window does, and doesn't shrink.
type ring struct {
	slots []slot
	mask  Ticket
}

func (r *ring) at(ticket Ticket) *slot { return &r.slots[ticket&r.mask] }

// room is how many messages fit: one less than there are places, because the last
// one that left is kept, to tell what was delivered and how many bytes.
func (r *ring) room() Ticket {
	return Ticket(max(len(r.slots)-1, 0))
}

// grow makes room for more slots than now, of which head to end are in use.
func (r *ring) grow(head, end Ticket) {
	grown := make([]slot, max(2*len(r.slots), firstRingSize))
	mask := Ticket(len(grown) - 1)
	if head > 0 {
		head-- // the last one that left
	}
	for i := head; i < end; i++ {
		grown[i&mask] = *r.at(i)
	}
	r.slots, r.mask = grown, mask
}
