package sim_test

import (
	"time"

	"github.com/vlab-research/burrow/source/memory"
)

// trouble is what can be done to a world.
type trouble int

const (
	join trouble = iota
	leave
	crash
	lose
	expire
	revoke
	comeBack
	rebalance
	pause
	slowCoordinator
	thaw
	longPause
	numTroubles
)

// String returns the trouble's name.
func (t trouble) String() string {
	return [...]string{
		"join", "leave", "crash", "lose", "expire", "revoke", "come back", "rebalance", "pause", "slow coordinator", "thaw", "long pause",
	}[t]
}

const mostMembers = 6

// disturb troubles the world, one thing after the other.
func (w *world) disturb() {
	p := w.plan
	for i := range p.disturbances {
		roll := func(purpose string) roll { return p.dice.roll(purpose, int64(i)) }
		time.Sleep(roll("calm").span(p.calm/10, p.calm*10))
		w.revive(roll)
		if len(p.troubles) == 0 {
			continue
		}
		members := w.alive()
		if len(members) == 0 {
			continue
		}
		m := members[roll("whom").between(0, len(members)-1)]
		what := oneOf(roll("trouble"), p.troubles...)
		partition := int32(roll("where").between(0, p.partitions-1))
		w.ledger.noteSafely("trouble: %v for %v or p%d", what, m, partition)
		w.trouble(what, m, partition, roll)
		w.auditAll()
	}
}

func (w *world) trouble(what trouble, m *member, partition int32, roll func(string) roll) {
	switch what {
	case join:
		if len(w.alive()) < mostMembers {
			w.ledger.reachedSafely("a member joined the others")
			w.start()
		}
	case leave:
		w.ledger.reachedSafely("a member left")
		m.stop()
	case crash:
		w.ledger.reachedSafely("a member crashed")
		m.crash()
	case lose, expire:
		w.zombie(what, m, partition, roll("zombie").span(time.Millisecond, time.Minute))
	case revoke:
		w.broker.Revoke(group, topic, partition)
	case comeBack:
		if owner := w.broker.Owner(group, topic, partition); owner != nil && w.isMember(owner) {
			w.broker.Move(group, topic, partition, owner)
			w.ledger.reachedSafely("a partition came back to the same member")
		}
	case rebalance:
		w.broker.Rebalance(group)
	case pause:
		w.pause(m, roll("paused").span(time.Millisecond, 20*time.Second))
	case slowCoordinator:
		w.setSlow(roll("slowness").span(10*time.Millisecond, time.Minute))
		w.later(roll("slow for").span(time.Second, time.Minute), func() { w.setSlow(0) })
	case thaw:
		for p := range w.plan.partitions {
			m.thaw(int32(p))
		}
	case longPause:
		w.longPause(roll)
	case numTroubles:
	}
}

// later does something after a while, beside the disturber.
func (w *world) later(d time.Duration, f func()) {
	w.helpers.Go(func() {
		time.Sleep(d)
		f()
	})
}

// zombie takes partitions away from a member, which hears of it in a while.
func (w *world) zombie(what trouble, m *member, partition int32, unaware time.Duration) {
	w.ledger.mu.Lock()
	m.lost = true
	w.ledger.mu.Unlock()
	if what == expire {
		w.ledger.reachedSafely("the group expelled a member that went on")
		m.src.Expire()
	} else {
		w.ledger.reachedSafely("a partition was lost without notice")
		m.src.Lose(topic, partition)
	}
	w.later(unaware, func() {
		w.ledger.noteSafely("%v notices", m)
		m.src.Rejoin()
	})
}

func (w *world) pause(m *member, d time.Duration) {
	m.Pause()
	w.ledger.mu.Lock()
	m.paused = time.Now()
	w.ledger.mu.Unlock()
	w.later(d, m.resume)
}

func (m *member) resume() {
	l := m.world.ledger
	l.mu.Lock()
	m.paused = time.Time{}
	for p := range l.partitions {
		l.thawed(m.serving(int32(p)))
	}
	l.note("%v resumes", m)
	m.resuming++
	l.mu.Unlock()
	m.Resume()
	m.resumed()
}

func (m *member) thaw(partition int32) {
	l := m.world.ledger
	l.mu.Lock()
	l.thawed(m.serving(partition))
	m.resuming++
	l.mu.Unlock()
	_ = m.ResumeClaim(topic, partition) // not its own any more
	m.resumed()
}

func (m *member) resumed() {
	l := m.world.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	m.resuming--
}

// thawed expects what a resumed claim may do again. The ledger's mutex is held.
func (l *ledger) thawed(t *tenure) {
	if t == nil || t.frozen.IsZero() {
		return
	}
	t.frozen = time.Time{}
	t.thaws++
	t.row.thaw(time.Now())
	l.reached("a frozen claim was resumed")
	l.note("%v is resumed", t)
}

// longPause lets hours go by, if that isn't too many ticks.
func (w *world) longPause(roll func(string) roll) {
	if w.plan.interval < 5*time.Second {
		return
	}
	time.Sleep(roll("hours").span(time.Hour, 5*time.Hour))
	w.ledger.reachedSafely("hours went by")
}

// revive restarts what has ended, after a while, so that somebody is there.
func (w *world) revive(roll func(string) roll) {
	if len(w.alive()) == 0 || (len(w.alive()) < w.plan.members && roll("revive").chance(0.5)) {
		w.start()
	}
}

func (w *world) isMember(src *memory.Source) bool {
	for _, m := range w.alive() {
		if m.src == src && !m.lost {
			return true
		}
	}
	return false
}

// alive returns the members that have not ended and were not told to.
func (w *world) alive() []*member {
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	var list []*member
	for _, m := range w.members {
		if !m.ended() && m.stopped.IsZero() && !m.crashed && m.halted.IsZero() {
			list = append(list, m)
		}
	}
	return list
}

func (w *world) setSlow(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slow = d
}
