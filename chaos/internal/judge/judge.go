// Package judge reads the ledgers of a chaos run as they grow and says which
// promise was broken. It knows the lines and nothing of the engine.
package judge

import (
	"fmt"
	"time"

	"github.com/vlab-research/burrow/chaos/internal/ledger"
)

// MaxStall is how long the fleet may go without finishing anything new while there is work.
const MaxStall = 30 * time.Second

// shown is how many broken promises are kept in words.
const shown = 40

// Rules are what the workers were told.
type Rules struct {
	Ordering string // "by-key", "by-partition" or "unordered"
	Window   int
	// Holes says that the log has offsets without a message.
	Holes bool
	// Session is how long the group waits for a member that is silent.
	Session time.Duration
}

// Judge follows one group on one topic. Feed it in the order of time, except for
// lines that come late: those of one process must be in their order. It is not safe for
// concurrent use.
type Judge struct {
	rules      Rules
	partitions map[int32]*partition
	tenures    map[tenureID]*tenure
	faults     []*Fault
	deletions  map[deletion]bool
	stops      map[int]int64 // by process
	joins      map[int]join
	overloadAt int64
	calm       bool
	progressAt int64
	broken     []string

	Figures Figures
}

// New returns a judge of a group that has committed nothing yet.
func New(rules Rules) *Judge {
	return &Judge{
		rules: rules, partitions: make(map[int32]*partition), tenures: make(map[tenureID]*tenure),
		deletions: make(map[deletion]bool), stops: make(map[int]int64), joins: make(map[int]join),
	}
}

// tenureID names a tenure: the process and its count.
type tenureID struct {
	process int
	number  int32
}

// Broken returns the promises that were broken, at most some dozens.
func (j *Judge) Broken() []string { return j.broken }

func (j *Judge) breaks(promise, format string, args ...any) {
	j.Figures.Broken++
	if len(j.broken) < shown {
		j.broken = append(j.broken, promise+": "+fmt.Sprintf(format, args...))
	}
}

// Calm says whether from now on nothing disturbs the group but members that join
// and leave in good order. Then nothing may repeat.
func (j *Judge) Calm(calm bool) { j.calm = calm }

// Line takes a line of a process.
func (j *Judge) Line(process int, l ledger.Line) {
	switch l.Kind {
	case ledger.Assigned:
		j.Figures.Rebalances++
		return
	case ledger.Joined:
		j.joined(process, l)
		return
	case ledger.Stopping, ledger.Over:
		return
	case ledger.Began:
		j.began(process, l)
		return
	case ledger.Skipped:
		j.skipped(l)
		return
	case ledger.Stalled:
		j.stalled(process, l)
		return
	}
	t := j.tenures[tenureID{process, l.Tenure}]
	if t == nil {
		j.breaks("ledger", "process %d: %c of an unknown tenure %d", process, l.Kind, l.Tenure)
		return
	}
	switch l.Kind {
	case ledger.Ended:
		if t.active > 0 {
			j.Figures.Outlived++
		}
	case ledger.Received:
		j.received(t, l)
	case ledger.Started:
		j.started(t, l)
	case ledger.Finished:
		j.finished(t, l)
	case ledger.Failed:
		j.Figures.Failures++
		t.release(j.lane(l), l.Offset, false)
	case ledger.Asked:
		j.asked(t, l)
	case ledger.Acked:
		j.acked(t, l)
	case ledger.Fenced:
		j.Figures.Fenced++
		if t.partition.latest != t {
			j.Figures.Zombies++
		}
	case ledger.Refused:
		j.Figures.Refused++
	}
}

// Gone says that a process has ended, and its handlers with it.
func (j *Judge) Gone(process int) {
	for _, p := range j.partitions {
		for lane, t := range p.running {
			if t.id.process == process {
				delete(p.running, lane)
			}
		}
	}
}

// Tick looks at the progress. Idle says that nothing was left to do.
func (j *Judge) Tick(now int64, idle bool) {
	if idle || j.progressAt == 0 {
		j.progressAt = now
		return
	}
	stall := time.Duration(now - j.progressAt)
	if stall > MaxStall && j.Figures.LongestStall <= MaxStall {
		j.breaks("progress", "nothing new was finished for %v", stall)
	}
	j.Figures.LongestStall = max(j.Figures.LongestStall, stall)
}

// MaxBehind is how long a broker may answer with an earlier commit than before: one that
// was the coordinator knows only after a while that it is not any more.
const MaxBehind = 10 * time.Second

// Broker takes what a broker says at a time is committed.
func (j *Judge) Broker(at int64, partition int32, committed int64) {
	p := j.partition(partition)
	p.shown = committed
	switch {
	case committed >= p.seen:
		p.seen, p.behindSince = committed, 0
	case p.behindSince == 0:
		p.behindSince = at
		j.Figures.OldAnswers++
	case time.Duration(at-p.behindSince) > MaxBehind:
		j.breaks("monotonic", "partition %d: the broker's commit went from %d back to %d", partition, p.seen, committed)
		p.seen, p.behindSince = committed, 0
	}
}
