package sim_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/pipeline"
)

// The judge itself is judged here where it was wrong once: on instants at which
// several things happen.

// A member that fails a message of a partition which it loses may have the partition again, and
// run the same message, before its pipeline says that it halts.
func TestAHaltIsJudgedByTheTenureInWhichTheMessageFailed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		first, second error
		broken        bool
	}{
		{"done the second time", errWork, nil, false},
		{"failed in the second", nil, errWork, false},
		{"failed in neither", nil, nil, true},
	} {
		l := newLedger(&plan{partitions: 1, consecutive: 1, strategy: offsets.Ordered{}})
		m := &member{world: &world{plan: l.plan, ledger: l}}
		for number, err := range []error{tt.first, tt.second} {
			tenure := l.tenureOf(m, number)
			tenure.end(tenure.passes[9], err)
		}
		l.judgeHalt(m, &pipeline.Error{Code: pipeline.ThresholdExceeded, Offset: 9})
		if broken := len(l.broken) > 0; broken != tt.broken {
			t.Errorf("%s: broken %v", tt.name, l.broken)
		}
	}
}

// tenureOf gives a member the partition 0, and lets it start message 9.
func (l *ledger) tenureOf(m *member, number int) *tenure {
	p := &pass{offset: 9, times: 1, open: true, state: inFlight}
	t := &tenure{l: l, member: m, number: number, open: 1, passes: map[int64]*pass{9: p}}
	l.partitions[0].tenures = append(l.partitions[0].tenures, t)
	return t
}

// What fails at the instant at which a claim is resumed may have failed before or after that.
func TestWhatFailsWhileAClaimIsResumedMayFreezeItAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(&plan{partitions: 1, consecutive: 2, strategy: offsets.Ordered{}})
		m := &member{world: &world{plan: l.plan, ledger: l}}
		tenure := l.tenureOf(m, 0)
		fails := func() {
			tenure.row.failure(time.Now(), tenure.passes[9].thaws < tenure.thaws)
			tenure.row.judge(2, true)
		}
		freezes := func() (broken bool) {
			before := len(l.broken)
			tenure.frozen = time.Now()
			l.judgeFreeze(m, 0)
			return len(l.broken) > before
		}
		fails()
		time.Sleep(time.Second)
		fails()
		if freezes() {
			t.Errorf("a freeze after two failures: %v", l.broken)
		}
		time.Sleep(time.Second)
		fails() // was in flight when the claim froze
		l.thawed(tenure)
		if !tenure.row.tripped.IsZero() || tenure.row.fewest() != 0 {
			t.Errorf("the failures before count after it: %+v", tenure.row)
		}
		fails() // perhaps earlier too
		if !tenure.row.tripped.IsZero() {
			t.Errorf("what may have failed before the resumption stops it: %+v", tenure.row)
		}
		if freezes() {
			t.Errorf("two failures at the instant of the resumption: %v", l.broken)
		}
		time.Sleep(time.Second)
		l.thawed(tenure)
		time.Sleep(time.Second)
		fails()
		if !freezes() {
			t.Error("one failure in a row is enough to freeze it, and the limit is two")
		}
		l.thawed(tenure)
		tenure.passes[9].thaws = tenure.thaws // started since
		fails()
		fails()
		if tenure.row.tripped.IsZero() {
			t.Error("two failures after the resumption, at its instant, need not stop it")
		}
	})
}

// A claim that freezes while all claims are being resumed goes on if its turn comes after that.
func TestWhatFreezesWhileClaimsAreResumedMayGoOn(t *testing.T) {
	t.Parallel()
	for _, resuming := range []int{0, 1} {
		l := newLedger(&plan{partitions: 1, consecutive: 2, window: 10, workers: 8, strategy: offsets.Ordered{}})
		m := &member{world: &world{plan: l.plan, ledger: l}, resuming: resuming}
		tenure := l.tenureOf(m, 0)
		tenure.delivered, tenure.sudden, tenure.frozen = []int64{9}, make(map[string]*burst), time.Now()
		tenure.passes[9].open = false
		tenure.judgeStart(tenure.passes[9], false)
		if broken := len(l.broken) > 0; broken == (resuming > 0) {
			t.Errorf("%d calls that resume: broken %v", resuming, l.broken)
		}
	}
}

// frozenLine is what the engine logs when partition 0 freezes.
func frozenLine(code pipeline.ErrorCode) *logrus.Entry {
	return &logrus.Entry{Message: "burrow: claim frozen: " + code.String(), Data: logrus.Fields{"partition": int32(0)}}
}

// resumedLine is what it logs when partition 0 goes on.
func resumedLine() *logrus.Entry {
	return &logrus.Entry{Message: "burrow: claim resumed", Data: logrus.Fields{"partition": int32(0)}}
}

// The line of a freeze may come when the member has another tenure of the partition.
func TestALineOfAFreezeIsOfATenureAtWorkInWhichAMessageFailed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err    error
		closed bool
		frozen bool
	}{
		"a message failed":             {errWork, false, true},
		"none failed":                  {nil, false, false},
		"one failed, and it is to end": {errWork, true, false},
	} {
		l := newLedger(&plan{partitions: 1, consecutive: 5, strategy: offsets.Ordered{}})
		m := &member{world: &world{plan: l.plan, ledger: l}}
		tenure := l.tenureOf(m, 0)
		tenure.end(tenure.passes[9], tt.err)
		if tt.closed {
			tenure.close()
		}
		hook := &logHook{m}
		_ = hook.Fire(frozenLine(pipeline.WindowBlocked))
		if frozen := !tenure.frozen.IsZero(); frozen != tt.frozen || len(l.broken) > 0 {
			t.Errorf("%s: frozen %v, broken %v", name, frozen, l.broken)
		}
		_ = hook.Fire(resumedLine())
		if resumed := tenure.thaws > 0; resumed != tt.frozen || !tenure.frozen.IsZero() {
			t.Errorf("%s: resumed %v, frozen since %v", name, resumed, tenure.frozen)
		}
	}
}

// The engine writes both lines after it has let go of its mutex, in either order, and a message
// may start again before them.
func TestAResumptionMayBeToldBeforeItsFreeze(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // all at one instant
		for name, untold := range map[string]bool{"before the message starts again": false, "after it": true} {
			l := newLedger(&plan{partitions: 1, consecutive: 1, window: 10, workers: 8, strategy: offsets.Ordered{}})
			m := &member{world: &world{plan: l.plan, ledger: l}, resuming: 1}
			tenure := l.tenureOf(m, 0)
			tenure.delivered, tenure.sudden = []int64{9}, make(map[string]*burst)
			tenure.end(tenure.passes[9], errWork)
			hook := &logHook{m}
			if !untold {
				_ = hook.Fire(resumedLine())
				m.resuming = 0
			}
			tenure.judgeStart(tenure.passes[9], false)
			m.resuming = 0
			if untold {
				_ = hook.Fire(resumedLine())
			}
			_ = hook.Fire(frozenLine(pipeline.ThresholdExceeded))
			if len(l.broken) > 0 || !tenure.frozen.IsZero() {
				t.Errorf("%s: broken %v, frozen since %v", name, l.broken, tenure.frozen)
			}
			tenure.passes[9].times++
			if tenure.judgeStart(tenure.passes[9], false); len(l.broken) == 0 {
				t.Errorf("%s: it may run a third time", name)
			}
		}
	})
}

// A full window may freeze a claim after one failure, the limit may not.
func TestOnlyAFreezeForFailuresInARowIsJudgedByThem(t *testing.T) {
	t.Parallel()
	for code, broken := range map[pipeline.ErrorCode]bool{pipeline.WindowBlocked: false, pipeline.ThresholdExceeded: true} {
		l := newLedger(&plan{partitions: 1, consecutive: 2, strategy: offsets.Ordered{}})
		m := &member{world: &world{plan: l.plan, ledger: l}}
		tenure := l.tenureOf(m, 0)
		tenure.end(tenure.passes[9], errWork)
		hook := &logHook{m}
		_ = hook.Fire(frozenLine(code))
		if len(l.broken) > 0 != broken {
			t.Errorf("%v after one failure: broken %v", code, l.broken)
		}
	}
}

// Of two tenures at work, of which the broker has ended one, the line is of the one that failed.
func TestALineOfAFreezeIsOfTheTenureWithMoreFailures(t *testing.T) {
	t.Parallel()
	for failing := range 2 {
		l := newLedger(&plan{partitions: 1, consecutive: 1, strategy: offsets.Ordered{}})
		m := &member{world: &world{plan: l.plan, ledger: l}}
		tenures := []*tenure{l.tenureOf(m, 0), l.tenureOf(m, 1)}
		tenures[failing].end(tenures[failing].passes[9], errWork)
		_ = (&logHook{m}).Fire(frozenLine(pipeline.ThresholdExceeded))
		if tenures[failing].frozen.IsZero() || !tenures[1-failing].frozen.IsZero() || len(l.broken) > 0 {
			t.Errorf("tenure %d failed: frozen since %v and %v, broken %v", failing, tenures[0].frozen, tenures[1].frozen, l.broken)
		}
	}
}
