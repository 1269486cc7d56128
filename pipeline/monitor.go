package pipeline

import (
	"context"
	"sync/atomic"
	"time"
)

// lookEvery is how long a reader may be stuck in a message before another one
// takes over.
const lookEvery = 200 * time.Microsecond

// monitor watches the readers that run messages themselves. It sleeps, without a
// timer, while all of them wait for their sources.
type monitor struct {
	e       *engine
	dormant atomic.Bool
	wake    chan struct{}
}

func newMonitor(e *engine) *monitor {
	return &monitor{e: e, wake: make(chan struct{}, 1)}
}

// stir wakes the monitor; called by a reader that got a message after waiting.
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
			select {
			case <-m.wake:
			case <-ctx.Done():
				return
			}
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

// quiet tells whether no reader can be inside a message, or rest.
func (m *monitor) quiet() bool {
	if m.e.pool.rested.Load() {
		return false
	}
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
