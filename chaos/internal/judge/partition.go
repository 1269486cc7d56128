package judge

import (
	"slices"

	"github.com/vlab-research/burrow/chaos/internal/ledger"
)

// partition is what is known of a partition over all its tenures.
type partition struct {
	done        []bool    // by offset
	got         []bool    // by offset, whether a source has delivered it
	last        []*tenure // that started the offset, the last one
	top         int64     // behind the highest offset that was started
	asked       int64     // the highest commit that anybody asked for
	seen        int64     // the highest commit that the brokers showed
	shown       int64     // the last one
	behindSince int64     // when they began to show less than seen; 0 for no
	acked       int64     // the highest commit that was acknowledged
	skipped     []span    // what the library said that the log has lost
	base        int64     // where the group began: it had committed nothing, and the log started there
	latest      *tenure
	running     map[int32]*tenure // by lane
}

// span are the offsets from one up to another.
type span struct{ from, to int64 }

func (j *Judge) partition(number int32) *partition {
	p := j.partitions[number]
	if p == nil {
		p = &partition{running: make(map[int32]*tenure)}
		j.partitions[number] = p
	}
	return p
}

func (p *partition) isDone(offset int64) bool { return offset < int64(len(p.done)) && p.done[offset] }
func (p *partition) wasGot(offset int64) bool { return offset < int64(len(p.got)) && p.got[offset] }

func (p *partition) wasReported(offset int64) bool {
	return slices.ContainsFunc(p.skipped, func(s span) bool { return s.from <= offset && offset < s.to })
}

func (p *partition) grow(offset int64) {
	for int64(len(p.done)) <= offset {
		p.done, p.got, p.last = append(p.done, false), append(p.got, false), append(p.last, nil)
	}
}

// startedFrom counts the messages at or behind an offset that one tenure started, the
// one with the most: compaction may have taken from a tenure what another one never saw.
func (p *partition) startedFrom(offset int64) (most int64) {
	counts := make(map[*tenure]int64)
	for ; offset < p.top; offset++ {
		if t := p.last[offset]; t != nil {
			counts[t]++
		}
	}
	for _, n := range counts {
		most = max(most, n)
	}
	return most
}

// startedByAny counts them for all tenures together.
func (p *partition) startedByAny(offset int64) (n int64) {
	for ; offset < p.top; offset++ {
		if p.last[offset] != nil {
			n++
		}
	}
	return n
}

// tenure is one assignment of a partition to a process.
type tenure struct {
	id        tenureID
	number    int32 // of the partition
	partition *partition
	start, at int64
	owns      int64          // since when it is the owner
	join      join           // by which its process got the partition
	position  int64          // behind the last that was received
	received  []int64        // and not committed, ascending
	settled   int            // how many of received are finished without a gap
	isStale   bool           // another process had the partition when it began
	done      map[int64]bool // what of received is finished
	acked     int64
	askedAt   int64
	active    int
	lanes     map[int32]lane
	waiting   map[int32]int // messages of a lane that are received and not finished
	blamed    *Fault        // for what it repeats
}

// lane is the last message of a key.
type lane struct {
	offset        int64
	running, done bool
}

// next is the highest offset that the tenure may commit: nothing before it is unfinished.
func (t *tenure) next() int64 {
	if t.settled < len(t.received) {
		return t.received[t.settled]
	}
	return t.position
}

func (j *Judge) began(process int, l ledger.Line) {
	p := j.partition(l.Partition)
	t := &tenure{
		id: tenureID{process, l.Tenure}, number: l.Partition, partition: p, start: l.Offset, at: l.At, owns: l.At,
		position: l.Offset, acked: l.Offset, join: j.joins[process], done: make(map[int64]bool),
		lanes: make(map[int32]lane), waiting: make(map[int32]int),
	}
	j.tenures[t.id] = t
	j.Figures.Tenures++
	if p.latest == nil && len(p.skipped) == 0 && j.deletions[deletion{l.Partition, l.Offset}] {
		p.base, p.asked = l.Offset, l.Offset
	}
	if l.Offset > p.asked {
		j.breaks("no loss", "partition %d: process %d starts at %d, but nobody committed past %d", l.Partition, process, l.Offset, p.asked)
	}
	if t.isStale = j.isStale(p, process); t.isStale {
		j.Figures.Stale++
		return
	}
	if l.Offset < p.acked {
		j.breaks("committed", "partition %d: process %d starts at %d, behind the acknowledged commit of %d", l.Partition, process, l.Offset, p.acked)
	}
	if again := p.startedByAny(l.Offset); again > 0 {
		t.blamed = j.blame(p.latest, l.At)
		t.blamed.Risk += again
		if j.rules.Holes {
			again = p.startedFrom(l.Offset)
		}
		if again > int64(j.rules.Window) {
			j.breaks("bounded repeats", "partition %d: %d messages are repeated, more than the window of %d", l.Partition, again, j.rules.Window)
		}
	}
	p.latest = t
}

// skipped takes what the library says that it could not read, as its source has moved the commit.
func (j *Judge) skipped(l ledger.Line) {
	p := j.partition(l.Partition)
	lost := span{l.Offset - int64(l.Attempt), l.Offset}
	if lost.from < p.acked || lost.from > p.asked {
		j.breaks("deleted", "partition %d: the library says that it skips from %d, but the commit is between %d and %d",
			l.Partition, lost.from, p.acked, p.asked)
	}
	p.skipped = append(p.skipped, lost)
	p.asked = max(p.asked, lost.to)
	j.Figures.Reported += lost.to - lost.from
}

func (j *Judge) asked(t *tenure, l ledger.Line) {
	p := t.partition
	if next := t.next(); l.Offset > next {
		j.breaks("no loss", "partition %d: process %d commits %d, but %d is not finished", t.number, t.id.process, l.Offset, next)
	}
	if l.Offset < t.acked {
		j.breaks("monotonic", "partition %d: process %d commits %d after %d was acknowledged", t.number, t.id.process, l.Offset, t.acked)
	}
	p.asked = max(p.asked, l.Offset)
	t.askedAt = l.At
}

func (j *Judge) acked(t *tenure, l ledger.Line) {
	p := t.partition
	j.Figures.Commits++
	if p.latest != t && j.retakes(t) {
		p.latest, t.owns, t.isStale = t, l.At, false
	}
	if p.latest != t && p.latest.owns < t.askedAt {
		j.breaks("fenced", "partition %d: process %d committed %d after process %d had become the owner",
			t.number, t.id.process, l.Offset, p.latest.id.process)
	}
	t.acked = max(t.acked, l.Offset)
	p.acked = max(p.acked, l.Offset)
	t.forget()
}

// forget drops what is committed.
func (t *tenure) forget() {
	n, _ := slices.BinarySearch(t.received, t.acked)
	for _, offset := range t.received[:n] {
		delete(t.done, offset)
	}
	t.received = t.received[n:]
	t.settled = max(0, t.settled-n)
}
