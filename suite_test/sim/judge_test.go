package sim_test

import (
	"errors"
	"slices"
	"time"

	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/pipeline"
	"github.com/vlab-research/burrow/stage"
)

// soon is how long the engine may take to hear of something: its reader may be
// inside a quick message, until the monitor sees it.
const soon = time.Millisecond

// isGap tells whether something behind the message has begun. The ledger's mutex is held.
func (t *tenure) isGap(p *pass) bool {
	for offset := range t.passes {
		if offset > p.offset {
			return true
		}
	}
	return false
}

// judgeStart judges whether a message may start at all; cancelled tells that its context
// had ended before. The ledger's mutex is held.
func (t *tenure) judgeStart(p *pass, cancelled bool) {
	if t.member.resuming > 0 {
		t.resumedUntold(p)
	}
	if p.open {
		t.l.breaks("D", "%v runs %d twice at once", t, p.offset)
	}
	if p.times > t.thaws {
		t.l.breaks("D", "%v runs %d again, for the %d. time", t, p.offset, p.times+1)
	}
	if !slices.Contains(t.delivered, p.offset) {
		t.l.breaks("D", "%v runs %d, which was not delivered", t, p.offset)
	}
	t.judgeEndings(p, cancelled)
	uncommitted := 0
	for offset, other := range t.passes {
		if offset >= t.acked && other.times > 0 && other != p {
			uncommitted++
		}
	}
	if uncommitted >= t.l.plan.window {
		t.l.breaks("W", "%v starts %d, with %d before it not committed in a window of %d", t, p.offset, uncommitted, t.l.plan.window)
	}
}

// judgeEndings judges that it starts though something has ended the tenure, or holds it.
// The ledger's mutex is held.
func (t *tenure) judgeEndings(p *pass, cancelled bool) {
	now := time.Now()
	for _, end := range []struct {
		why   string
		since time.Time
		known bool // to the engine already: nothing more starts at that instant but what had begun to
		gaps  bool // but what waits in front of something that has begun is done still
	}{
		{"the claim was told to end", t.closed, false, true}, {"the claim is over", t.over, true, false},
		{"it was fenced", t.fenced, cancelled, false}, {"the claim froze", t.frozen, true, false},
		{"the pipeline was paused", t.member.paused, true, t.drainsSince(t.member.paused)}, {"the pipeline halted", t.member.halted, false, true},
	} {
		took := now.Sub(end.since)
		if end.since.IsZero() || end.gaps && t.isGap(p) {
			continue
		}
		if took > soon || end.known && t.burst(end.why).add(now) > t.l.plan.workers {
			t.l.breaks("S", "%v starts %d %v after %s", t, p.offset, took, end.why)
		}
	}
}

// drainsSince tells whether the tenure was being ended already. A drain that has
// begun goes on through a pause. The ledger's mutex is held.
func (t *tenure) drainsSince(at time.Time) bool {
	told := earliest(t.closed, t.member.stopped, t.member.halted)
	return !told.IsZero() && !told.After(at)
}

// judgeLane judges the order of a key. The ledger's mutex is held.
func (t *tenure) judgeLane(p *pass) {
	before := t.lanes[p.lane]
	if before == nil || before == p {
		return
	}
	switch {
	case before.open:
		t.l.breaks("K", "%v starts %d while %d of the same key runs", t, p.offset, before.offset)
	case before.offset > p.offset:
		t.l.breaks("K", "%v starts %d behind %d of the same key", t, p.offset, before.offset)
	case before.state != resolved && before.offset >= t.acked:
		t.l.breaks("K", "%v starts %d though %d of the same key is %s", t, p.offset, before.offset, before.state)
	}
}

// judgeLetter looks for a dead letter where it is said to be. The ledger's mutex is held.
func (t *tenure) judgeLetter(p *pass, err error) {
	letter, ok := errors.AsType[*stage.DeadLetteredError](err)
	if !ok {
		return
	}
	t.l.reached("a dead letter")
	if !t.member.world.published(t.partition, p.offset) {
		t.l.breaks("L", "%v resolved %d as a dead letter, %s doesn't hold it", t, p.offset, letter.Topic)
	}
}

// judgeCommit judges what the engine asks the broker to store.
func (t *tenure) judgeCommit(next int64) {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	now := time.Now()
	t.l.note("%v commits %d", t, next)
	if !t.over.IsZero() && now.After(t.over) {
		t.l.breaks("M", "%v commits %d after its end", t, next)
	}
	if next <= t.acked {
		t.l.breaks("M", "%v commits %d, it had committed %d", t, next, t.acked)
	}
	highest := int64(-1)
	for _, offset := range t.delivered {
		p := t.passes[offset]
		if p != nil && p.state == resolved {
			highest = max(highest, offset)
		}
		if offset < next && offset >= t.acked && !t.mayPass(p, now) {
			t.l.breaks("L", "%v commits %d past %d, which is %s", t, next, offset, p.describe())
		}
	}
	if _, best := t.l.plan.strategy.(offsets.BestEffort); best && next-1 > highest {
		t.l.breaks("L", "%v commits %d, the highest resolved is %d", t, next, highest)
	}
	if len(t.delivered) == 0 || next-1 > t.delivered[len(t.delivered)-1] {
		t.l.breaks("L", "%v commits %d, which was not delivered", t, next)
	}
}

// mayPass tells whether a commit may pass a message, by the strategy.
func (t *tenure) mayPass(p *pass, now time.Time) bool {
	switch s := t.l.plan.strategy.(type) {
	case offsets.BestEffort:
		return true
	case offsets.SkipFailures:
		if p != nil && p.state == failed && now.Sub(p.ended) >= s.After {
			return true
		}
	}
	return p != nil && p.state == resolved
}

func (p *pass) describe() string {
	if p == nil {
		return "not started"
	}
	return string(p.state)
}

// judgeAnswer takes the broker's answer to a commit down.
func (t *tenure) judgeAnswer(next int64, fenced bool, err error) {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	switch {
	case err == nil:
		t.acked = max(t.acked, next)
	case fenced && t.fenced.IsZero():
		t.fenced = time.Now()
		t.l.reached("a commit was fenced")
		if t.member.lost {
			t.l.reached("a zombie's commit was fenced")
		}
		t.l.note("%v is fenced", t)
	}
	if err != nil {
		t.l.note("%v commit of %d: %v", t, next, err)
		t.member.trouble = time.Now()
	}
}

// judgeEnd judges the end of a tenure.
func (t *tenure) judgeEnd() {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	t.over = time.Now()
	told := earliest(t.closed, t.member.stopped, t.member.halted)
	t.l.note("%v is over %v after it was told, %d in flight, committed %d", t, t.over.Sub(told), t.open, t.acked)
	if told.IsZero() {
		return // it halted a moment ago, and has not logged that yet
	}
	p := t.l.plan
	if took := t.over.Sub(told); took > p.drain+2*p.commitTimeout()+soon {
		t.l.breaks("Q", "%v ended %v after it was told, the drain timeout is %v", t, took, p.drain)
	}
	if !t.fenced.IsZero() {
		return
	}
	if t.open > 0 {
		t.l.reached("a drain reached its deadline with messages in flight")
		if took := t.over.Sub(told); took < p.drain-soon {
			t.l.breaks("Q", "%v ended after %v with %d in flight, the drain timeout is %v", t, took, t.open, p.drain)
		}
	}
	calm := t.member.trouble.Before(told.Add(-p.commitTimeout())) && t.member.committing == 0
	if idle := t.over.Sub(latest(told, t.lastEnd)); calm && t.open == 0 && t.member.running == 0 && told.Equal(t.closed) && idle > soon {
		t.l.breaks("Q", "%v ended %v after its last message", t, idle)
	}
	if next := t.contiguous(told.Add(p.drain - soon)); calm && t.acked < next {
		t.l.breaks("Q", "%v ended with a commit of %d, though all before %d is resolved", t, t.acked, next)
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earliest(times ...time.Time) time.Time {
	var first time.Time
	for _, at := range times {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// judgeRun judges what Run returned.
func (m *member) judgeRun(err error) {
	l := m.world.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note("%v ended: %v", m, err)
	if failure, ok := errors.AsType[*pipeline.Error](err); ok && failure.Code == pipeline.ThresholdExceeded {
		l.judgeHalt(m, failure)
	}
	for _, h := range l.partitions {
		for _, t := range h.tenures {
			if t.member == m {
				t.judgeVerdict(err)
			}
		}
	}
	for code, situation := range map[pipeline.ErrorCode]string{
		pipeline.ThresholdExceeded: "a pipeline halted after failures in a row",
		pipeline.WindowBlocked:     "a pipeline halted behind a full window",
		pipeline.DrainTimeout:      "Run said that its drain timed out",
		pipeline.CommitFailed:      "Run said that its last commit failed",
	} {
		if errors.Is(err, code) {
			l.reached(situation)
		}
	}
}

// judgeHalt looks for the tenure that halted the pipeline. A member may have had the partition
// more than once, also at the same time. The ledger's mutex is held.
func (l *ledger) judgeHalt(m *member, failure *pipeline.Error) {
	var row int
	for _, t := range l.partitions[failure.Partition].tenures {
		if p := t.passes[failure.Offset]; t.member == m && p != nil && p.row != nil {
			row = max(row, *p.row)
		}
	}
	if row < l.plan.consecutive {
		l.breaks("E", "%v halts for %d of p%d after %d failures in a row, the limit is %d", m, failure.Offset, failure.Partition, row, l.plan.consecutive)
	}
}

// judgeVerdict judges it for one tenure. The ledger's mutex is held.
func (t *tenure) judgeVerdict(err error) {
	if t.over.IsZero() {
		t.l.breaks("Q", "%v is still served after Run returned", t)
	}
	inStop := !t.member.stopped.IsZero() && !t.over.Before(t.member.stopped) && (t.closed.IsZero() || !t.closed.Before(t.member.stopped))
	if err != nil || !inStop || !t.fenced.IsZero() {
		return
	}
	if next := t.contiguous(t.over); t.open > 0 || t.acked < next {
		t.l.breaks("Q", "Run returned nil, but %v has %d in flight and committed %d, all before %d is resolved", t, t.open, t.acked, next)
	}
}

// judgeFreeze judges a freeze for failures in a row; the log names the partition only, of which a
// member may have two tenures. The ledger's mutex is held.
func (l *ledger) judgeFreeze(m *member, partition int32) {
	peak := 0
	for _, t := range l.partitions[partition].tenures {
		if t.member == m && (t.over.IsZero() || t.over.Equal(time.Now())) {
			peak = max(peak, t.row.peak)
		}
	}
	if peak < l.plan.consecutive {
		l.breaks("E", "%v freezes p%d after %d failures in a row, the limit is %d", m, partition, peak, l.plan.consecutive)
	}
}

// judgeRows judges that enough failures in a row stop a claim or its pipeline.
func (l *ledger) judgeRows(m *member) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.partitions {
		for _, t := range h.tenures {
			if t.member != m || t.row.tripped.IsZero() || !t.working() || !t.frozen.IsZero() {
				continue
			}
			if time.Since(t.row.tripped) > soon {
				l.breaks("E", "%v goes on, though %d failures in a row were its limit", t, l.plan.consecutive)
				t.row.tripped = time.Time{}
			}
		}
	}
}
