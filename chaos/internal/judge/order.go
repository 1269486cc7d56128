package judge

import (
	"slices"

	"github.com/vlab-research/burrow/chaos/internal/ledger"
)

// unlaned is the lane of messages that wait for no other.
const unlaned = -1

func (j *Judge) lane(l ledger.Line) int32 {
	switch j.rules.Ordering {
	case "by-key":
		return l.Key
	case "by-partition":
		return 0
	default:
		return unlaned
	}
}

// received takes a message that the source hands to the engine.
func (j *Judge) received(t *tenure, l ledger.Line) {
	switch {
	case l.Offset < t.position:
		j.breaks("once", "partition %d: process %d receives %d, behind %d, in one tenure", t.number, t.id.process, l.Offset, t.position)
		return
	case l.Offset > t.position && !j.rules.Holes:
		j.breaks("no loss", "partition %d: process %d receives %d where %d comes next", t.number, t.id.process, l.Offset, t.position)
	case l.Offset > t.position:
		j.Figures.Passed += l.Offset - t.position
	}
	t.position = l.Offset + 1
	t.received = append(t.received, l.Offset)
	t.partition.grow(l.Offset)
	t.partition.got[l.Offset] = true
	if lane := j.lane(l); lane != unlaned {
		if t.waiting[lane] > 0 {
			j.Figures.Chances++
		}
		t.waiting[lane]++
	}
}

func (j *Judge) started(t *tenure, l ledger.Line) {
	place, known := slices.BinarySearch(t.received, l.Offset)
	switch {
	case l.Offset < t.next() || t.done[l.Offset]:
		j.breaks("once", "partition %d: process %d started %d again in one tenure", t.number, t.id.process, l.Offset)
	case !known:
		j.breaks("ledger", "partition %d: process %d started %d, which it never received", t.number, t.id.process, l.Offset)
	case place >= j.rules.Window:
		j.breaks("window", "partition %d: process %d started %d with a commit of %d: more than %d", t.number, t.id.process, l.Offset, t.acked, j.rules.Window)
	}
	if t.active++; t.active > 1 {
		j.Figures.Concurrent++
		if j.rules.Ordering == "by-partition" {
			j.breaks("order", "partition %d: process %d runs %d messages at once", t.number, t.id.process, t.active)
		}
	}
	j.again(t, l)
	if lane := j.lane(l); lane != unlaned {
		j.inLane(t, lane, l)
	}
}

// again counts a message that an earlier tenure had started.
func (j *Judge) again(t *tenure, l ledger.Line) {
	p := t.partition
	p.grow(l.Offset)
	if before := p.last[l.Offset]; before != nil && before != t {
		j.Figures.Repeats++
		if t.blamed == nil { // one of the two is a zombie
			zombie := before
			if t != p.latest {
				zombie = t
			}
			t.blamed = j.blame(zombie, l.At)
		}
		t.blamed.Repeats++
		if t.blamed.Kind != Overload {
			j.breaksCalm(l.At, "nothing repeats", "partition %d: process %d repeats %d of process %d in a calm time", t.number, t.id.process, l.Offset, before.id.process)
		}
	}
	p.last[l.Offset] = t
	p.top = max(p.top, l.Offset+1)
	j.Figures.Started++
}

func (j *Judge) inLane(t *tenure, number int32, l ledger.Line) {
	before, known := t.lanes[number]
	if known {
		switch {
		case before.running:
			j.breaks("order", "partition %d, key %d: process %d runs %d and %d at once", t.number, number, t.id.process, before.offset, l.Offset)
		case l.Offset < before.offset:
			j.breaks("order", "partition %d, key %d: process %d runs %d after %d", t.number, number, t.id.process, l.Offset, before.offset)
		case l.Offset > before.offset && !before.done:
			j.breaks("order", "partition %d, key %d: process %d runs %d, but %d is not done", t.number, number, t.id.process, l.Offset, before.offset)
		case l.Offset > before.offset:
			j.Figures.Pairs++
		}
	}
	t.lanes[number] = lane{offset: l.Offset, running: true}
	if other := t.partition.running[number]; other != nil && other != t {
		j.Figures.Overlaps++
		if j.blame(other, l.At).Kind != Overload {
			j.breaksCalm(l.At, "order", "partition %d, key %d: processes %d and %d run it at once in a calm time", t.number, number, other.id.process, t.id.process)
		}
	}
	t.partition.running[number] = t
}

func (j *Judge) finished(t *tenure, l ledger.Line) {
	p := t.partition
	t.release(j.lane(l), l.Offset, true)
	if l.Offset != t.next() {
		j.Figures.Gaps++
	}
	t.settle(l.Offset)
	if lane := j.lane(l); lane != unlaned {
		t.waiting[lane]--
	}
	j.Figures.Finished++
	if !p.isDone(l.Offset) {
		p.grow(l.Offset)
		p.done[l.Offset] = true
		j.Figures.Distinct++
		j.progressAt = max(j.progressAt, l.At)
	}
}

// settle notes that a message is finished.
func (t *tenure) settle(offset int64) {
	t.done[offset] = true
	for t.settled < len(t.received) && t.done[t.received[t.settled]] {
		t.settled++
	}
}

// release notes that a handler has ended.
func (t *tenure) release(number int32, offset int64, done bool) {
	t.active--
	if number == unlaned {
		return
	}
	if l := t.lanes[number]; l.offset == offset {
		t.lanes[number] = lane{offset: offset, done: done}
	}
	if t.partition.running[number] == t {
		delete(t.partition.running, number)
	}
}
