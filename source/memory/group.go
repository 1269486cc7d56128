package memory

import (
	"cmp"
	"slices"
	"time"
)

// group is a consumer group's coordinator. It has no goroutine: whoever joins,
// leaves or gives a partition up carries the rebalance on, under the broker's lock.
type group struct {
	name       string
	broker     *Broker
	members    []*Source // in the order of joining
	slots      []*slot   // by topic and partition
	generation int32

	commits []Commit
	before  CommitFunc
	after   CommitFunc
	delay   time.Duration
	stored  chan struct{} // closed, and made anew, when a commit is stored
}

// slot is one partition as the group sees it.
type slot struct {
	log       *partition
	owner     *claim  // the tenure whose commits count; nil while the partition is free
	target    *Source // who has it or gets it next; nil for nobody
	committed int64
	pinned    bool // whether there is a committed offset
}

func (g *group) slot(log *partition) *slot {
	i, found := slices.BinarySearchFunc(g.slots, log, func(s *slot, log *partition) int {
		return cmp.Or(cmp.Compare(s.log.topic, log.topic), cmp.Compare(s.log.index, log.index))
	})
	if !found {
		g.slots = slices.Insert(g.slots, i, &slot{log: log})
	}
	return g.slots[i]
}

func (g *group) join(s *Source, logs []*partition) {
	for _, log := range logs {
		g.slot(log)
	}
	g.members = append(g.members, s)
	g.rebalance()
}

// leave takes the member out of the group and frees what it holds.
func (g *group) leave(s *Source) {
	i := slices.Index(g.members, s)
	if i < 0 {
		return
	}
	g.members = slices.Delete(g.members, i, i+1)
	for _, slot := range g.slots {
		if slot.owner != nil && slot.owner.member == s {
			g.end(slot)
		}
	}
	g.rebalance()
}

// rebalance decides anew who has what and starts to make it so.
func (g *group) rebalance() {
	for i, member := range g.assignment() {
		slot := g.slots[i]
		slot.target = nil
		if member >= 0 {
			slot.target = g.members[member]
		}
	}
	g.revokeMoved()
	g.grantFree()
	g.announce()
}

func (g *group) assignment() []int {
	holders := make([]int, len(g.slots))
	for i, slot := range g.slots {
		holders[i] = slices.Index(g.members, slot.target)
	}
	return assign(holders, len(g.members), func(p, m int) bool {
		return g.members[m].takes(g.slots[p].log)
	})
}

// revokeMoved tells the owners of partitions that go elsewhere, or all owners in
// an eager group.
func (g *group) revokeMoved() {
	eager := slices.ContainsFunc(g.members, func(s *Source) bool { return s.eager })
	for _, slot := range g.slots {
		if slot.owner != nil && (eager || slot.owner.member != slot.target) {
			g.revoke(slot)
		}
	}
}

// revoke tells the owner to give the partition up, within the rebalance timeout.
func (g *group) revoke(slot *slot) {
	c := slot.owner
	if c.revoked {
		return
	}
	c.revoked = true
	c.close()
	if c.member.rebalanceTimeout == 0 {
		return
	}
	c.timeout = time.AfterFunc(c.member.rebalanceTimeout, func() {
		g.broker.mu.Lock()
		defer g.broker.mu.Unlock()
		if slot.owner == c {
			g.end(slot)
			g.pass()
		}
	})
}

// end ends the owner's tenure: whatever it commits from now on is fenced.
func (g *group) end(slot *slot) {
	c := slot.owner
	slot.owner = nil
	c.ended = true
	if c.timeout != nil {
		c.timeout.Stop()
	}
}

// pass hands free partitions to those who wait for them.
func (g *group) pass() {
	if g.grantFree() {
		g.announce()
	}
}

// grantFree starts tenures and returns whether there were any. An eager group
// waits until all partitions are free.
func (g *group) grantFree() bool {
	granted := false
	if g.holdsBack() {
		return false
	}
	for _, slot := range g.slots {
		if slot.owner != nil || slot.target == nil || slot.target.phase != running {
			continue
		}
		if !slot.pinned {
			slot.committed, slot.pinned = slot.log.oldest(), true
		}
		slot.owner = newClaim(slot.target, slot.log, max(slot.committed, slot.log.oldest()))
		slot.target.granted = append(slot.target.granted, slot.owner)
		granted = true
	}
	return granted
}

// holdsBack returns whether an eager group still waits for somebody to let go.
func (g *group) holdsBack() bool {
	return slices.ContainsFunc(g.members, func(s *Source) bool { return s.eager }) &&
		slices.ContainsFunc(g.slots, func(s *slot) bool { return s.owner != nil && s.owner.revoked })
}

// announce ends a rebalance: a new generation, and every member hears what it holds.
func (g *group) announce() {
	g.generation++
	for _, member := range g.members {
		member.generation = g.generation
		member.counts = append(member.counts, g.held(member))
		member.nudge()
	}
}

func (g *group) held(s *Source) int {
	n := 0
	for _, slot := range g.slots {
		if slot.owner != nil && slot.owner.member == s && !slot.owner.revoked {
			n++
		}
	}
	return n
}

// released is called when the Serve of a claim has returned.
func (g *group) released(c *claim) {
	slot := g.slot(c.log)
	if slot.owner == c {
		g.end(slot)
		if !c.revoked && slot.target == c.member {
			slot.target = nil // given up unasked; the next rebalance places it
		}
		g.pass()
	}
	c.log.detach(c)
}
