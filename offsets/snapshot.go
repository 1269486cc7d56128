package offsets

import (
	"sort"
	"time"
)

// Snapshot asks the strategy what may be committed now, clamped to
// [committed, delivered]. It reports false if that is nothing new. With a strategy
// that is O(1), so is Snapshot.
//
// The offset counts as committed only once [Tracker.Ack] says so.
func (t *Tracker) Snapshot(strategy CommitStrategy, now time.Time) (offset int64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.demand = t.newDemand()
	offset = t.committable(strategy, now)
	return offset, offset > t.committed
}

// Committable returns what [Tracker.Snapshot] would, the committed offset if
// nothing is new, without taking one.
func (t *Tracker) Committable(strategy CommitStrategy, now time.Time) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.committable(strategy, now)
}

func (t *Tracker) committable(strategy CommitStrategy, now time.Time) int64 {
	if t.closed.Load() {
		return t.committed
	}
	v := t.view(now)
	return min(max(strategy.Committable(v), t.committed), v.Delivered)
}

// Ack records that the broker holds a commit of this offset. Messages up to it
// leave the window, except those still pending, which leave when they settle. A lower
// offset than the committed one changes nothing. Due is as for [Tracker.Resolve].
func (t *Tracker) Ack(offset int64) (due bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() || offset <= t.committed {
		return false
	}
	t.look()
	t.committed = min(offset, t.offsetBefore(t.seen))
	t.pass()
	t.extend(t.prefix)
	t.committedEnd = t.endOf(t.committed)
	t.release()
	t.demand.refused = false
	return t.due()
}

// endOf returns the first ticket in the window whose offset is above the given one.
func (t *Tracker) endOf(offset int64) Ticket {
	if offset == t.offsetBefore(t.prefix) {
		return t.prefix
	}
	n := sort.Search(int(t.seen-t.committedEnd), func(i int) bool {
		return t.slots.at(t.committedEnd+Ticket(i)).offset > offset
	})
	return t.committedEnd + Ticket(n)
}

func (t *Tracker) view(now time.Time) View {
	end := t.end()
	return View{
		Committed: t.committed, Delivered: t.offsetBefore(end), Contiguous: t.contiguous(), Resolved: t.resolved(),
		Now: now, window: t, end: end,
	}
}

func (t *Tracker) eachUnresolved(end Ticket, yield func(Unresolved) bool) {
	for i := t.prefix; i < end; i++ {
		if t.marks.at(i).state == Resolved {
			continue
		}
		if !yield(t.unresolved(i)) {
			return
		}
	}
}

func (t *Tracker) unresolved(ticket Ticket) Unresolved {
	s, m := t.slots.at(ticket), t.marks.at(ticket)
	return Unresolved{
		Offset: s.offset, State: m.state, Attempts: int(m.attempts),
		Since: t.base.Add(time.Duration(s.since)),
	}
}

// Usage is a window's numbers at one moment.
type Usage struct {
	// Committed, Contiguous and Delivered are as in [View].
	Committed, Contiguous, Delivered int64
	// Admitted counts the messages that ever were in the window.
	Admitted int64
	// Resolved is the highest resolved offset, as in [View].
	Resolved int64
	// Messages and Bytes are what the window holds, against its limits.
	Messages int
	Bytes    int64
	// Pending and Failed count the unresolved messages.
	Pending, Failed int
	// Uncommitted is what a crash now would repeat, in messages: delivered, not committed.
	Uncommitted int
	// Behind is how many settled messages lie behind the contiguous offset, where a gap keeps them.
	Behind int
	// Oldest is the message that holds the contiguous offset, if Held.
	Oldest Unresolved
	Held   bool
}

// Usage returns the window's numbers. It is O(1).
func (t *Tracker) Usage() Usage {
	t.mu.Lock()
	defer t.mu.Unlock()
	end := t.end()
	u := Usage{
		Committed: t.committed, Contiguous: t.contiguous(), Delivered: t.offsetBefore(end), Resolved: t.resolved(),
		Admitted: int64(end),
		Messages: int(end - t.head), Bytes: t.bytesBefore(end) - t.leftBytes,
		Pending: int(end) - t.done, Failed: t.failed,
		Uncommitted: int(end - t.committedEnd),
	}
	if t.prefix < end {
		u.Oldest, u.Held = t.unresolved(t.prefix), true
		u.Behind = int(end-t.prefix) - (u.Pending + t.failed - t.passed)
	}
	return u
}

// Fill returns the share of the window in use, by messages or by bytes, whichever
// is more: 0 is empty, 1 is full, and one oversize message gives more than 1.
func (t *Tracker) Fill() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.share(t.head, t.leftBytes)
}

// FillUnresolved is Fill without what a commit would free: from the oldest unresolved message on.
func (t *Tracker) FillUnresolved() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.share(t.prefix, t.bytesBefore(t.prefix))
}

// share is what the messages from a ticket on use, before which there were so many bytes. The mutex is held.
func (t *Tracker) share(from Ticket, before int64) float64 {
	end := t.end()
	return max(float64(end-from)/float64(t.limits.Messages), float64(t.bytesBefore(end)-before)/float64(t.limits.Bytes))
}
