package offsets

// finish counts a message that is pending no more. One that a strategy had committed
// past may leave; it is no reason for a commit.
func (t *Tracker) finish(ticket Ticket, m *mark) {
	t.done++
	if ticket >= t.committedEnd {
		return
	}
	t.demand.done++
	if m.state == Resolved {
		t.passed--
	}
	t.release()
}

// extend moves the prefix to end, before which everything is resolved or committed, and on
// over what is resolved from there. Nothing of that is committed.
func (t *Tracker) extend(end Ticket) {
	for end < t.seen && t.marks.at(end).state == Resolved {
		end++
	}
	t.prefix = end
}

// pass moves the prefix over what was just committed, resolved or not.
func (t *Tracker) pass() {
	for ; t.prefix < t.seen; t.prefix++ {
		s := t.slots.at(t.prefix)
		if s.offset > t.committed {
			return
		}
		if t.marks.at(t.prefix).state != Resolved {
			t.passed++
		}
		t.demand.prefix++
		t.demand.bytes += s.bytes - t.bytesBefore(t.prefix)
	}
}

// contiguous is the highest offset up to which everything is resolved or committed.
func (t *Tracker) contiguous() int64 { return max(t.offsetBefore(t.prefix), t.committed) }

// resolved is the highest resolved offset, and at least the contiguous one.
func (t *Tracker) resolved() int64 {
	return max(t.offsetBefore(max(t.resolvedEnd, t.prefix)), t.committed)
}

// release lets the committed messages at the head leave the window. One that is
// still pending, because a strategy committed past it, keeps its place until it is done.
func (t *Tracker) release() {
	left := t.head
	if t.passed == 0 {
		t.head = t.committedEnd
	}
	for ; t.head < t.committedEnd; t.head++ {
		state := t.marks.at(t.head).state
		if state == Pending {
			break
		}
		if state == Failed {
			t.failed--
			t.passed--
		}
	}
	t.marks.clear(left, t.head) // for who will be admitted to these places
	t.leftBytes = t.bytesBefore(t.head)
}

// demand is what may make a commit due since the last snapshot.
type demand struct {
	done int // the tracker's, at the snapshot
	// How far the prefix has to get for a commit to be due. What was committed before it
	// became contiguous doesn't count.
	prefix Ticket
	bytes  int64
	asked  bool // due was said
	// A message found no room, and none was admitted or acknowledged since.
	refused     bool
	refusedSize int64
}

func (t *Tracker) newDemand() demand {
	d := &t.demand
	return demand{
		done: t.done, prefix: t.prefix + Ticket(t.limits.Batch), bytes: t.bytesBefore(t.prefix) + max(t.limits.Bytes/4, 1),
		refused: d.refused, refusedSize: d.refusedSize,
	}
}

// hasBatch tells whether a batch is done since the last snapshot.
func (t *Tracker) hasBatch() bool { return t.done-t.demand.done >= t.limits.Batch }

// mayBeDue is false only if a commit isn't due, and looks at no slot to tell.
func (t *Tracker) mayBeDue() bool {
	d := &t.demand
	return t.hasBatch() || t.prefix >= d.prefix || t.seenBytes >= d.bytes || d.refused
}

// due tells, once a snapshot, that a commit is worth its request.
func (t *Tracker) due() bool {
	d := &t.demand
	if d.asked {
		return false
	}
	d.asked = t.hasBatch() || t.prefix >= d.prefix || t.bytesBefore(t.prefix) >= d.bytes || d.refused && t.mayAdmit()
	return d.asked
}

// mayAdmit tells whether the message that was refused fits by now, or may fit after a
// commit that nothing pending will ask for.
func (t *Tracker) mayAdmit() bool {
	return !t.full(t.demand.refusedSize) || t.pending() == 0 && t.done > t.demand.done
}

func (t *Tracker) pending() int { return int(t.end()) - t.done }

// refuse remembers that a message found no room.
func (t *Tracker) refuse(size int64) error {
	t.demand.refused, t.demand.refusedSize = true, size
	if t.due() || t.demand.asked {
		return ErrDue
	}
	return ErrFull
}
