package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/source/memory"
)

func TestACrashLosesWhatWasNotCommitted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := broker(1, 5)
		dead := start(t, b, &handler{hold: make(chan struct{})})
		old := dead.claims(0)[0]
		if err := dead.commit(old, 2); err != nil {
			t.Fatal(err)
		}
		dead.Crash()
		if err := dead.commit(old, 5); !errors.Is(err, source.ErrFenced) {
			t.Errorf("a commit after the crash: %v, want ErrFenced", err)
		}
		next := start(t, b, &handler{})
		equal(t, "the restarted member reads", next.received(next.claims(0)[0]), []int64{2, 3, 4})
		if dead.Health() == nil {
			t.Error("a crashed source is healthy")
		}
		close(dead.hold)
		<-dead.done
		if !errors.Is(dead.err, memory.ErrCrashed) {
			t.Errorf("Run returned %v, want ErrCrashed", dead.err)
		}
	})
}

func TestARevokedPartitionComesBackToTheOnlyMember(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := broker(2, 5)
		m := start(t, b, &handler{})
		b.Revoke(group, topic, 1)
		synctest.Wait()
		tenures := m.claims(1)
		if len(tenures) != 2 || len(m.claims(0)) != 1 {
			t.Fatalf("%d tenures of the revoked partition and %d of the other, want 2 and 1", len(tenures), len(m.claims(0)))
		}
		if err := m.commit(tenures[0], 5); !errors.Is(err, source.ErrFenced) {
			t.Errorf("a commit for the old tenure: %v, want ErrFenced", err)
		}
		if err := m.commit(tenures[1], 1); err != nil {
			t.Errorf("a commit for the new one: %v", err)
		}
	})
}

func TestRevokeAndMoveChooseTheNewOwner(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := broker(4, 0)
		one, two := start(t, b, &handler{}), start(t, b, &handler{})
		b.Revoke(group, topic, 0)
		synctest.Wait()
		equal(t, "after Revoke", two.partitions(), []int32{0, 2, 3})
		b.Move(group, topic, 3, one.Source)
		b.Move(group, topic, 1, one.Source)
		synctest.Wait()
		equal(t, "after Move", one.partitions(), []int32{1, 3})
		if len(one.claims(1)) != 2 {
			t.Error("a partition moved to its owner didn't leave and come back")
		}
		b.Move(group, topic, 1, nil)
		synctest.Wait()
		if owner := b.Owner(group, topic, 1); owner != nil {
			t.Error("a partition moved to nobody has an owner")
		}
		b.Rebalance(group)
		synctest.Wait()
		equal(t, "after Rebalance", one.partitions(), []int32{1, 3})
	})
}

func TestTheRebalanceTimeoutFencesWhoHoldsOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := broker(2, 5)
		slow := start(t, b, &handler{hold: make(chan struct{})}, memory.WithRebalanceTimeout(10*time.Second))
		next := start(t, b, &handler{})
		old := slow.claims(1)[0]
		time.Sleep(10*time.Second - time.Nanosecond)
		synctest.Wait()
		equal(t, "before the timeout", next.partitions(), []int32{})
		if err := slow.commit(old, 2); err != nil {
			t.Errorf("a commit while draining: %v", err)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		equal(t, "after the timeout", next.partitions(), []int32{1})
		equal(t, "the next owner reads", next.received(next.claims(1)[0]), []int64{2, 3, 4})
		if err := slow.commit(old, 5); !errors.Is(err, source.ErrFenced) {
			t.Errorf("a commit after the timeout: %v, want ErrFenced", err)
		}
		close(slow.hold)
		synctest.Wait()
		committed(t, b, 1, 2)
		equal(t, "the slow member keeps", slow.partitions(), []int32{0})
	})
}

func TestALostPartitionIsServedByAZombie(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := broker(2, 3)
		zombie, heir := start(t, b, &handler{}), start(t, b, &handler{})
		old := zombie.claims(0)[0]
		zombie.Lose(topic, 0)
		synctest.Wait()
		equal(t, "the heir", heir.partitions(), []int32{0, 1})
		b.ProduceTo(topic, 0, b.Messages(topic, 0)[0])
		synctest.Wait()
		equal(t, "the zombie still reads", zombie.received(old), []int64{0, 1, 2, 3})
		if err := zombie.commit(old, 3); !errors.Is(err, source.ErrFenced) {
			t.Errorf("the zombie's commit: %v, want ErrFenced", err)
		}
		zombie.Rejoin()
		synctest.Wait()
		equal(t, "the heir gives one away", heir.partitions(), []int32{0})
		equal(t, "once the zombie knows", zombie.partitions(), []int32{1})
	})
}

func TestALostPartitionDoesNotComeBackUnnoticed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := broker(1, 3)
		zombie := start(t, b, &handler{})
		zombie.Lose(topic, 0)
		b.Rebalance(group)
		synctest.Wait()
		if len(zombie.claims(0)) != 1 || b.Owner(group, topic, 0) != nil {
			t.Error("a member got a partition again that it didn't know it had lost")
		}
		zombie.Rejoin()
		synctest.Wait()
		if len(zombie.claims(0)) != 2 || b.Owner(group, topic, 0) != zombie.Source {
			t.Errorf("%d tenures once it knows, want 2", len(zombie.claims(0)))
		}
	})
}

func TestAnExpiredMemberCanRejoin(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := broker(2, 3)
		m := start(t, b, &handler{})
		before := b.Commits(group)
		m.Expire()
		if b.Owner(group, topic, 0) != nil {
			t.Error("an expired member owns a partition")
		}
		if err := m.commit(m.claims(0)[0], 1); !errors.Is(err, source.ErrFenced) {
			t.Errorf("its commit: %v, want ErrFenced", err)
		}
		m.Rejoin()
		synctest.Wait()
		if err := m.commit(m.claims(0)[1], 1); err != nil {
			t.Errorf("its commit after it joined again: %v", err)
		}
		log := b.Commits(group)[len(before):]
		if len(log) != 2 || log[0].Generation >= log[1].Generation {
			t.Errorf("the broker remembers %+v, want an older and a newer generation", log)
		}
	})
}

func TestAnEagerGroupWaitsForEverybody(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := broker(4, 0)
		one := start(t, b, &handler{}, memory.WithEager())
		two := start(t, b, &handler{hold: make(chan struct{})}, memory.WithEager())
		three := start(t, b, &handler{}, memory.WithEager())
		if owners := one.partitions(); len(owners) > 0 || len(three.partitions()) > 0 {
			t.Errorf("partitions %v were given out while others drain", owners)
		}
		close(two.hold)
		synctest.Wait()
		if n := len(one.partitions()) + len(two.partitions()) + len(three.partitions()); n != 4 {
			t.Errorf("%d of 4 partitions are served", n)
		}
	})
}

// quitter returns from Serve without having been told to.
type quitter struct{}

func (quitter) Serve(source.Claim) {}
func (quitter) Assigned(int)       {}

func TestAServeThatReturnsEarlyFreesItsPartition(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := broker(1, 0)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.Source(group, []string{topic}).Run(ctx, quitter{}) }()
		synctest.Wait()
		if b.Owner(group, topic, 0) != nil {
			t.Error("somebody owns a partition that nobody serves")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		next := start(t, b, &handler{})
		equal(t, "the next member", next.partitions(), []int32{0})
	})
}
