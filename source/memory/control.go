package memory

import "slices"

// Rebalance makes the group decide anew who has what, as when a member joins or
// leaves. A cooperative group that is balanced keeps everything where it is.
func (b *Broker) Rebalance(group string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.group(group).rebalance()
}

// Owner returns the member whose commits count for the partition, which may be
// draining it; nil when there is none.
func (b *Broker) Owner(group, topic string, partition int32) *Source {
	log := b.partition(topic, partition)
	b.mu.Lock()
	defer b.mu.Unlock()
	if owner := b.group(group).slot(log).owner; owner != nil {
		return owner.member
	}
	return nil
}

// Revoke takes the partition from its owner, who is told and drains it. It then
// goes to the other member with the fewest partitions, or comes back to the same one if
// there is no other. Nothing happens when nobody owns it.
//
// It returns at once; the owner has the rebalance timeout to let go.
func (b *Broker) Revoke(group, topic string, partition int32) {
	log := b.partition(topic, partition)
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.group(group)
	slot := g.slot(log)
	if slot.owner == nil {
		return
	}
	to := g.somebody(log, slot.owner.member)
	if to == nil && slot.owner.member.takes(log) {
		to = slot.owner.member
	}
	g.move(slot, to)
}

// Move takes the partition from its owner, as [Broker.Revoke] does, and gives it to
// one member of the group: another one, the same one again, or nobody (nil) until the next
// rebalance. That rebalance may move it again, to restore the balance.
func (b *Broker) Move(group, topic string, partition int32, to *Source) {
	log := b.partition(topic, partition)
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.group(group)
	if to != nil && !slices.Contains(g.members, to) {
		panic("memory: Move needs a running member of the group, or nil")
	}
	g.move(g.slot(log), to)
}

func (g *group) move(slot *slot, to *Source) {
	slot.target = to
	if slot.owner != nil {
		g.revoke(slot)
	}
	g.revokeMoved()
	g.grantFree()
	g.announce()
}

// somebody returns the member, other than one, that has the fewest partitions.
func (g *group) somebody(log *partition, other *Source) *Source {
	load := make([]int, len(g.members))
	for i, member := range g.members {
		load[i] = g.held(member)
	}
	m := leastLoaded(load, func(m int) bool { return g.members[m] != other && g.members[m].takes(log) })
	if m < 0 {
		return nil
	}
	return g.members[m]
}

// Crash kills the member: it is out of its group at once, its partitions go to
// others, and whatever it commits from now on is fenced. Its claims end, and Run
// returns [ErrCrashed] once every Serve has returned.
//
// What runs in the crashed process can't be stopped from here: a handler that
// is busy goes on until it returns, but nothing of it is committed.
// Start a new Source to restart; there is no need to wait for the old Run.
func (s *Source) Crash() {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	select {
	case <-s.crashed:
		return
	default:
	}
	close(s.crashed)
	if s.phase != running {
		return
	}
	s.phase = stopping
	for c := range s.serving {
		c.close()
	}
	s.group.leave(s)
}

// Lose gives the partition to another member without telling this one, as a broker
// does that thinks it dead: the claim goes on delivering, and what is committed
// for it is fenced. Without another member the partition stays free until one joins.
// Nothing happens when this member doesn't own the partition.
func (s *Source) Lose(topic string, partition int32) {
	log := s.broker.partition(topic, partition)
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	slot := s.group.slot(log)
	if slot.owner == nil || slot.owner.member != s {
		return
	}
	s.group.end(slot)
	slot.target = s.group.somebody(log, s)
	s.group.pass()
}

// Expire loses all partitions and the membership, as when a session times out:
// the group goes on without this member, which isn't told. See [Source.Lose]; [Source.Rejoin] tells it.
func (s *Source) Expire() {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	if s.phase != running {
		return
	}
	s.absent = true
	s.group.leave(s)
}

// Rejoin lets the member notice what it lost: those claims end, and once their
// Serves have returned it joins again, or rebalances if it is still in the group.
// Nothing happens when it lost nothing.
func (s *Source) Rejoin() {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	for c := range s.serving {
		if c.ended {
			c.close()
		}
	}
	s.rejoining = s.absent || s.haunted()
	s.rejoin()
}

// rejoin finishes what Rejoin began, when every lost tenure is let go.
func (s *Source) rejoin() {
	if !s.rejoining || s.phase != running || s.haunted() {
		return
	}
	s.rejoining = false
	if !s.absent {
		s.group.rebalance()
		return
	}
	s.absent = false
	s.group.members = append(s.group.members, s)
	s.group.rebalance()
}

// haunted returns whether a tenure that doesn't count any more is still served.
func (s *Source) haunted() bool {
	for c := range s.serving {
		if c.ended {
			return true
		}
	}
	return slices.ContainsFunc(s.granted, func(c *claim) bool { return c.ended })
}
