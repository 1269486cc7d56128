package judge

import (
	"time"

	"github.com/vlab-research/burrow/chaos/internal/ledger"
)

// Everyone is the process of a fault that may touch all.
const Everyone = -1

// Fault is one disturbance of the group.
type Fault struct {
	Kind    string
	Process int // or Everyone
	At      int64
	// Repeats are the messages that were processed again for it, Risk how many were
	// started and not committed when their partition found a new owner.
	Repeats, Risk int64
}

// Disturb notes a fault.
func (j *Judge) Disturb(kind string, process int, at int64) {
	j.faults = append(j.faults, &Fault{Kind: kind, Process: process, At: at})
}

// Overload is the kind of fault that nobody made: the machine did not let a process run.
const Overload = "overload"

// Stopped says that a process was stopped on purpose, so that its standing still tells nothing.
func (j *Judge) Stopped(process int, at int64) { j.stops[process] = at }

// stalled takes that a process did not run. If it was for long enough to be taken for
// dead, that is a fault as any other.
func (j *Judge) stalled(process int, l ledger.Line) {
	since := l.At - l.Offset
	if stop, ok := j.stops[process]; ok && stop >= since-int64(time.Second) {
		return
	}
	j.Figures.Stalls++
	j.Figures.LongestFreeze = max(j.Figures.LongestFreeze, time.Duration(l.Offset))
	if time.Duration(l.Offset) >= j.rules.Session/2 {
		j.Disturb(Overload, process, since)
		j.overloadAt = l.At
	}
}

// Slow says that the brokers took long for somebody whom nothing keeps from them.
func (j *Judge) Slow(at int64) { j.overloadAt = at }

// breaksCalm is for what only a calm time forbids. The machine may be too busy for that.
func (j *Judge) breaksCalm(at int64, promise, format string, args ...any) {
	switch {
	case !j.calm:
	case j.overloadAt > 0 && at-j.overloadAt < int64(2*j.rules.Session):
		j.Figures.Excused++
	default:
		j.breaks(promise, format, args...)
	}
}

// join is what a process has last learned from its group.
type join struct {
	generation int32
	at         int64
}

// before reports whether the group has answered the other one later. In one generation
// a partition has two owners only if one took the other's name, and then the later one has it.
func (a join) before(b join) bool {
	return a.generation < b.generation || a.generation == b.generation && a.at < b.at
}

// joined takes that a process knows its partitions. One that was stopped before it could
// read the answer reads an answer that is as old as the stop.
func (j *Judge) joined(process int, l ledger.Line) {
	at := l.At
	if stop, ok := j.stops[process]; ok && stop > j.joins[process].at {
		at = stop
	}
	j.joins[process] = join{l.Attempt, at}
}

// isStale reports whether another process has got the partition from the group since this
// one joined. Then this is a zombie that does not know it yet.
func (j *Judge) isStale(p *partition, process int) bool {
	return p.latest != nil && p.latest.id.process != process && j.joins[process].before(p.latest.join)
}

// retakes reports whether a tenure that was taken for a zombie's, in the generation in which
// another process took its name, is one after it took the name back: then it is acknowledged
// what it commits, and the other one is not any more.
func (j *Judge) retakes(t *tenure) bool {
	return t.isStale && t.join.generation == t.partition.latest.join.generation
}

// Faults returns what disturbed the group, in order.
func (j *Judge) Faults() []*Fault { return j.faults }

// blame finds why a tenure ended uncommitted: the last fault of its own process
// while it lasted, or else the last one that touched everyone.
func (j *Judge) blame(t *tenure, at int64) *Fault {
	var everyone *Fault
	for i := len(j.faults) - 1; i >= 0; i-- {
		switch f := j.faults[i]; {
		case f.At > at:
		case t != nil && f.Process == t.id.process && f.At >= t.at:
			return f
		case f.Process == Everyone && everyone == nil:
			everyone = f
		}
	}
	if everyone == nil {
		everyone = &Fault{Kind: "nothing", Process: Everyone, At: at}
		j.faults = append([]*Fault{everyone}, j.faults...)
	}
	return everyone
}
