package offsets

import (
	"math"
	"time"
)

// admission is what only the goroutine that admits touches. It lets a message in
// without the mutex: the slots behind the last one are nobody else's, and storing
// next is what hands one over. The rooms are what was seen of the window at the last
// look under the mutex; there can only be more by now.
type admission struct {
	slots     ring[slot] // the tracker's; here, off the cache line of the mutex
	delivered int64
	bytes     int64     // of all messages ever admitted
	room      Ticket    // tickets below it find a place; 0 after one didn't
	roomBytes int64     // up to which bytes may grow
	now       time.Time // as given last: callers give one time to many messages
	nanos     int64     // now, relative to the tracker's base
}

// Admit takes the next delivered message of the given size into the window. It
// fails with [ErrFull], [ErrStale] or [ErrClosed], and then changes nothing. It is called by
// one goroutine at a time.
func (t *Tracker) Admit(offset int64, size int, now time.Time) (Ticket, error) {
	a := &t.admission
	ticket, bytes := t.end(), clampSize(size)
	if !a.fits(ticket, offset, bytes) || now != a.now || t.closed.Load() {
		if err := t.makeRoom(offset, bytes, now); err != nil {
			return 0, err
		}
	}
	a.put(ticket, offset, bytes)
	t.next.Store(uint64(ticket + 1))
	return ticket, nil
}

// Entry is a delivered message, as the window sees it.
type Entry struct {
	Offset int64
	Size   int
}

// AdmitAll is Admit for each of the entries, in turn and until one fails. It returns the first one's ticket, which the
// others follow one by one, how many were admitted, and the error of the one that was not.
func (t *Tracker) AdmitAll(entries []Entry, now time.Time) (first Ticket, n int, err error) {
	a := &t.admission
	first = t.end()
	ticket := first
	mustLook := now != a.now || t.closed.Load()
	for i := range entries {
		offset, bytes := entries[i].Offset, clampSize(entries[i].Size)
		if mustLook || !a.fits(ticket, offset, bytes) {
			t.next.Store(uint64(ticket))
			if err := t.makeRoom(offset, bytes, now); err != nil {
				return first, i, err
			}
			mustLook = false
		}
		a.put(ticket, offset, bytes)
		ticket++
	}
	t.next.Store(uint64(ticket))
	return first, len(entries), nil
}

// fits tells whether there was room at the last look.
func (a *admission) fits(ticket Ticket, offset, bytes int64) bool {
	return offset > a.delivered && ticket < a.room && bytes <= a.roomBytes-a.bytes
}

// put fills a slot, which moving next hands over.
func (a *admission) put(ticket Ticket, offset, bytes int64) {
	a.delivered = offset
	a.bytes += bytes
	*a.slots.at(ticket) = slot{offset, a.nanos, a.bytes}
}

// makeRoom looks again for room and at the time, and tells why there is no room.
func (t *Tracker) makeRoom(offset, size int64, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := &t.admission
	switch {
	case t.closed.Load():
		return ErrClosed
	case offset <= a.delivered:
		return ErrStale
	case t.full(size):
		a.room = 0
		return t.refuse(size)
	}
	t.demand.refused = false
	a.now, a.nanos = now, t.since(now)
	next := t.end()
	if next-t.head >= t.slots.room() {
		t.slots.grow(t.head, next)
		t.marks.grow(t.head, next)
		a.slots = t.slots
	}
	a.room = t.head + min(Ticket(t.limits.Messages), t.slots.room())
	a.roomBytes = t.limits.Bytes + min(t.leftBytes, math.MaxInt64-t.limits.Bytes)
	return nil
}

// full tells whether a message of the size has no room. The mutex is held.
func (t *Tracker) full(size int64) bool {
	next := t.end()
	used := next - t.head
	return used > 0 && (used >= Ticket(t.limits.Messages) || t.bytesBefore(next)-t.leftBytes > t.limits.Bytes-size)
}

// end is the next ticket. What is before it doesn't change without the mutex.
func (t *Tracker) end() Ticket { return Ticket(t.next.Load()) }

// offsetBefore is the offset of the last message before end. The mutex is held: it keeps
// head, and so the slot before head, where they are.
func (t *Tracker) offsetBefore(end Ticket) int64 {
	if end == 0 {
		return t.start
	}
	return t.slots.at(end - 1).offset
}

// bytesBefore is the size of all messages ever admitted before end. The mutex is held.
func (t *Tracker) bytesBefore(end Ticket) int64 {
	if end == 0 {
		return 0
	}
	return t.slots.at(end - 1).bytes
}

func clampSize(size int) int64 {
	return int64(min(max(size, 0), math.MaxUint32))
}
