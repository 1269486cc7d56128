package sim_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// tenure is one assignment of a partition to a member, as the ledger saw it. The
// ledger's mutex guards it.
type tenure struct {
	l         *ledger
	member    *member
	partition int32
	number    int // among those of the partition
	start     int64

	delivered []int64
	passes    map[int64]*pass
	lanes     map[string]*pass // the last one begun
	open      int
	lastEnd   time.Time // of a pass

	acked  int64     // the next offset of the last commit that was answered with yes
	closed time.Time // the engine heard that it is over
	over   time.Time // Serve has returned
	fenced time.Time
	frozen time.Time
	thaws  int
	// Of the lines about freezes that were written, and of resumptions that are known; untold
	// are those whose line is still to come.
	freezes, resumptions, untold int
	row                          row
	sudden                       map[string]*burst // starts after an end of which the engine knew
}

// pass is what the engine did with one message of a tenure.
type pass struct {
	offset int64
	lane   string
	times  int
	open   bool
	state  state
	thaws  int // of its tenure, when it was last started
	ended  time.Time
	row    *int // of failures, at most, at the instant when it failed
}

type state string

const (
	inFlight state = "in flight"
	resolved state = "resolved"
	failed   state = "failed"
)

// burst counts what starts at one instant though nothing should: what had begun to
// start may still appear at that instant, later nothing may.
type burst struct {
	at time.Time
	n  int
}

func (b *burst) add(now time.Time) int {
	if !b.at.Equal(now) {
		b.at, b.n = now, 0
	}
	b.n++
	return b.n
}

func (t *tenure) burst(why string) *burst {
	if t.sudden[why] == nil {
		t.sudden[why] = new(burst)
	}
	return t.sudden[why]
}

func (l *ledger) newTenure(m *member, c source.Claim) *tenure {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.partitions[c.Partition()]
	t := &tenure{
		l: l, member: m, partition: c.Partition(), number: len(h.tenures), start: c.Start(), acked: c.Start(),
		passes: make(map[int64]*pass), lanes: make(map[string]*pass), sudden: make(map[string]*burst),
	}
	for _, before := range h.tenures {
		if before.member == m && before.open > 0 {
			l.reached("a partition came back while messages of its earlier tenure ran on")
		}
	}
	if h.tenures = append(h.tenures, t); len(h.tenures) > 1 {
		l.reached(map[bool]string{true: "a partition moved by an eager rebalance", false: "a partition moved by a cooperative rebalance"}[l.plan.eager])
	}
	l.note("%v begins at %d", t, t.start)
	if t.start < h.stored {
		l.breaks("M", "%v starts at %d, the group had committed %d", t, t.start, h.stored)
	}
	return t
}

// String returns member, partition and the tenure's number.
func (t *tenure) String() string {
	return fmt.Sprintf("%v p%d tenure %d", t.member, t.partition, t.number)
}

func (t *tenure) deliver(msg stage.Message) {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	t.delivered = append(t.delivered, msg.Position().Offset)
}

func (t *tenure) close() {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	if t.closed.IsZero() {
		t.closed = time.Now()
		t.l.note("%v is told to end, %d in flight", t, t.open)
	}
}

// begin judges the start of a message.
func (t *tenure) begin(ctx context.Context, msg stage.Message) *pass {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	offset, lane := msg.Position().Offset, t.laneOf(msg)
	p := t.passes[offset]
	if p == nil {
		p = &pass{offset: offset, lane: lane}
		t.passes[offset] = p
	}
	t.l.note("%v starts %d key %q", t, offset, msg.Key())
	t.judgeStart(p, ctx.Err() != nil)
	p.times++
	p.open, p.state, p.thaws = true, inFlight, t.thaws
	t.open++
	if lane != "" {
		t.judgeLane(p)
		t.lanes[lane] = p
	}
	return p
}

// laneOf returns what a message shares with those it must wait for, "" if it waits for none.
func (t *tenure) laneOf(msg stage.Message) string {
	switch {
	case t.l.plan.ordering == burrow.ByPartition:
		return "all"
	case t.l.plan.ordering == burrow.ByKey && msg.Key() != nil:
		return "key " + string(msg.Key())
	}
	return ""
}

// end writes down how the work on a message ended, before the engine hears of it.
func (t *tenure) end(p *pass, err error) {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	h := t.l.partitions[t.partition]
	p.open, p.ended = false, time.Now()
	t.lastEnd = p.ended
	t.open--
	t.l.note("%v ends %d: %s", t, p.offset, outcome(err))
	if !t.over.IsZero() {
		t.l.reached("a result came after its tenure")
		if last := h.tenures[len(h.tenures)-1]; last != t && last.member == t.member && last.over.IsZero() {
			t.l.reached("a result of an earlier tenure came while the member had the partition again")
		}
	}
	switch {
	case err == nil || errors.Is(err, stage.Skip):
		p.state = resolved
		h.resolved[p.offset] = true
		t.row.success(p.ended)
		t.judgeLetter(p, err)
	default:
		p.state = failed
		h.failed[p.offset] = true
		if !errors.Is(err, stage.ErrReleased) {
			p.row = t.row.failure(p.ended, p.thaws < t.thaws)
			t.row.judge(t.l.plan.consecutive, t.working())
		}
	}
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, errAbrupt):
		return "abrupt"
	}
	return err.Error()
}

// contiguous returns the offset behind the prefix that was resolved before an instant.
func (t *tenure) contiguous(before time.Time) int64 {
	next := t.start
	for _, offset := range t.delivered {
		p := t.passes[offset]
		if p == nil || p.state != resolved || !p.ended.Before(before) {
			break
		}
		next = offset + 1
	}
	return max(next, t.acked)
}

// working tells whether nothing has ended the tenure yet. The ledger's mutex is held.
func (t *tenure) working() bool {
	return t.fenced.IsZero() && t.closed.IsZero() && t.member.stopped.IsZero() && t.member.halted.IsZero()
}
