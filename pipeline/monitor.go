package pipeline

import (
	"context"
	"sync/atomic"
	"time"
)

// lookEvery is how long a reader may be stuck in a message before another one
// takes over.
const lookEvery = 200 * time.Microsecond

// monitor watches the readers that run messages themselves, and the permits that rest. It sleeps while all
// readers wait for their sources, without a timer if nothing rests.
type monitor struct {
	e       *engine
	dormant atomic.Bool
	wake    chan struct{}
}

func newMonitor(e *engine) *monitor {
	return &monitor{e: e, wake: make(chan struct{}, 1)}
}

// stir wakes the monitor; called by a reader that got a message after waiting, and when a permit begins to rest.
func (m *monitor) stir() {
	if m.dormant.Load() {
		select {
		case m.wake <- struct{}{}:
		default:
		}
	}
}

// run watches until ctx ends.
func (m *monitor) run(ctx context.Context) {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for {
		m.dormant.Store(true) // before looking, so that no reader stirs in vain
		if m.quiet() {
			m.doze(ctx, timer)
		}
		m.dormant.Store(false)
		timer.Reset(lookEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		m.e.pool.recallOverslept()
		for _, c := range m.e.claims() {
			m.look(c)
		}
	}
}

// doze waits until it is stirred, or until a permit has rested for long.
func (m *monitor) doze(ctx context.Context, timer *time.Timer) {
	var overslept <-chan time.Time
	if n := int(m.e.pool.rested.Load()); n > 0 {
		timer.Reset(m.e.pool.restFor(n))
		overslept = timer.C
	}
	select {
	case <-m.wake:
	case <-overslept:
	case <-ctx.Done():
	}
}

// quiet tells whether no reader can be inside a message.
func (m *monitor) quiet() bool {
	for _, c := range m.e.claims() {
		if c.inline.word.Load()&1 == 1 || (c.inline.quick.Load() && !c.inline.waiting.Load() && !c.closing.Load()) {
			return false
		}
	}
	return true
}

// look takes the reading over from a reader that has been in one message since the last look.
func (m *monitor) look(c *claim) {
	word := c.inline.word.Load()
	if word&1 == 1 && word == c.inline.seen {
		c.inline.quick.Store(false)
		c.takeOver(word)
	}
	c.inline.seen = word
}
