package pipeline

import (
	"context"
	"sync/atomic"
	"time"
)

// lookEvery is how long a reader may be stuck in a message before another one
// takes over.
const lookEvery = 200 * time.Microsecond

// While messages come one by one, and readers are done with each before anybody looks, the monitor naps: a few hundred
// timers a second keep Go's own monitor (sysmon) from its sleep, which costs as much as the messages do. A reader that
// gets stuck meanwhile waits for the end of the nap, which is bound to a share of the time that none was.
const (
	longestNap = 20 * time.Millisecond
	napShare   = 64
)

// monitor watches the readers that run messages themselves, and the permits that rest. While all readers wait for their
// sources it naps, and when none had a message during a nap it sleeps, without a timer if nothing rests.
type monitor struct {
	e     *engine
	state atomic.Int32
	wake  chan struct{}

	moved    bool          // a reader ran a message between the last two looks, or may have
	tookOver time.Duration // the last time, by the engine's clock
}

// What the monitor's state may be.
const (
	awake   = iota
	napping // looks again soon
	dormant // doesn't, unless it is stirred
)

func newMonitor(e *engine) *monitor {
	return &monitor{e: e, wake: make(chan struct{}, 1)}
}

// stir wakes the monitor if it would sleep on; called by a reader that got a message after waiting, and when a
// permit begins to rest.
func (m *monitor) stir() {
	if m.state.Load() == dormant {
		m.rouse()
	}
}

// hasten wakes the monitor also from a nap; called when a claim waits for a permit that rests.
func (m *monitor) hasten() {
	if m.state.Load() != awake {
		m.rouse()
	}
}

func (m *monitor) rouse() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// run watches until ctx ends.
func (m *monitor) run(ctx context.Context) {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for ctx.Err() == nil {
		m.moved = m.pause(ctx, timer)
		m.e.pool.recallOverslept()
		for _, c := range m.e.claims() {
			m.look(c)
		}
	}
}

// pause waits until it is time to look, and reports whether it was woken: a reader may be about to run a message.
func (m *monitor) pause(ctx context.Context, timer *time.Timer) (woken bool) {
	m.state.Store(dormant) // before looking, so that nobody stirs in vain
	var wake <-chan struct{}
	longest := lookEvery
	switch {
	case !m.quiet():
		m.state.Store(awake)
	case m.moved:
		m.state.Store(napping)
		wake, longest = m.wake, m.nap()
	default:
		wake, longest = m.wake, m.e.pool.recallIn()
	}
	timer.Reset(longest)
	select {
	case <-timer.C:
	case <-wake:
		woken = true
	case <-ctx.Done():
	}
	m.state.Store(awake)
	return woken
}

// nap returns how long the monitor may sleep while readers have messages now and then.
func (m *monitor) nap() time.Duration {
	nap := min(max((m.e.clock()-m.tookOver)/napShare, lookEvery), longestNap)
	if m.e.pool.contended.Load() {
		return min(nap, m.e.pool.recallIn())
	}
	return nap
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
		m.tookOver = m.e.clock()
	}
	m.moved = m.moved || word != c.inline.seen
	c.inline.seen = word
}
