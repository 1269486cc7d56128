package sim_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"time"

	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

var errWork = errors.New("the work failed")

// fate is what one attempt at a message comes to.
type fate struct {
	parks, takes time.Duration
	ignores      bool
	ends         func() error
}

// fateOf draws it. After the healing, all goes well.
func (t *tenure) fateOf(offset int64, attempt int) fate {
	p := t.l.plan
	roll := func(purpose string) roll {
		return p.dice.roll(purpose, int64(t.partition), int64(t.number), offset, int64(attempt))
	}
	if t.l.healed {
		return fate{takes: roll("work").span(time.Microsecond, 5*time.Millisecond), ends: succeeds}
	}
	f := fate{takes: roll("work").span(p.work/4, 4*p.work), ignores: roll("ignores").chance(p.ignoring), ends: succeeds}
	if p.quick && roll("quick").chance(0.99) {
		f.takes = 0
	}
	if roll("tail").chance(p.tail) {
		f.takes = roll("how long").span(time.Second, 30*time.Second)
	}
	if roll("parks").chance(p.parking) {
		f.parks = roll("parked").span(time.Millisecond, 10*time.Second)
	}
	switch {
	case p.dice.roll("poison", int64(t.partition), offset).chance(p.poison):
		f.ends = func() error { return errWork }
	case roll("fails").chance(p.failing):
		f.ends = func() error { return errWork }
		if roll("for good").chance(0.1) {
			f.ends = func() error { return retry.Permanent(errWork) }
		}
	case roll("panics").chance(p.panicking):
		f.ends = func() error { panic("the handler panics") }
	case roll("exits").chance(p.exiting):
		f.ends = func() error { runtime.Goexit(); return nil }
	case roll("skips").chance(p.skipping):
		f.ends = func() error { return stage.Skip }
	}
	return f
}

func succeeds() error { return nil }

// handle is the user's code.
func (m *member) handle(ctx context.Context, msg stage.Message) (stage.Message, error) {
	d, _ := msg.(*delivered)
	f := m.begin(d)
	if f.parks > 0 {
		m.reachedInline(f, "the reader's message parked")
		if err := stage.Park(ctx, f.parks); err != nil {
			return nil, err
		}
	}
	defer m.occupy(d)()
	if f.takes > 0 {
		m.reachedInline(f, "the reader's message took long")
	}
	if err := wait(ctx, f); err != nil {
		return nil, err
	}
	m.reachedInline(f, "the reader ran a message")
	return msg, f.ends()
}

func wait(ctx context.Context, f fate) error {
	if f.takes == 0 {
		return nil
	}
	timer := time.NewTimer(f.takes)
	defer timer.Stop()
	if f.ignores {
		<-timer.C
		return nil
	}
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin counts an attempt and draws what comes of it.
func (m *member) begin(d *delivered) fate {
	l := m.world.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	h, offset := l.partitions[d.tenure.partition], d.Position().Offset
	h.attempts[offset]++
	if string(d.Value()) == slowly {
		odd := m.world.plan.dice.roll("slowly", offset).span(time.Microsecond, 100*time.Millisecond)
		return fate{takes: time.Second + odd, ends: succeeds}
	}
	return d.tenure.fateOf(offset, h.attempts[offset])
}

// occupy judges how many handlers run at once, from now until the returned
// function is called.
func (m *member) occupy(d *delivered) (leave func()) {
	l := m.world.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	m.running++
	m.most = max(m.most, m.running)
	if m.running > m.world.plan.workers {
		l.breaks("P", "%v runs %d handlers at once with %d workers", m, m.running, m.world.plan.workers)
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		m.running--
	}
}

// reachedInline counts what happens on the reader's own goroutine. The promises
// don't tell where a message runs, so only the stack does.
func (m *member) reachedInline(_ fate, situation string) {
	if !m.world.plan.quick {
		return
	}
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.Function, ".runInline") {
			m.world.ledger.reachedSafely(situation)
			return
		}
		if !more {
			return
		}
	}
}
