package sourcetest

import (
	"errors"
	"sync"
	"testing"

	"github.com/vlab-research/burrow/source"
)

func aMemberWithoutPartitionsIsTold(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 1)
	one := f.join(t, nil)
	one.hears(t, 1)
	two := f.join(t, nil)
	eventually(t, "one member with and one without", func() bool {
		a, b := one.lastCount(), two.lastCount()
		return a+b == 1 && a >= 0 && b >= 0
	})
}

// lastCount returns what Assigned was last called with, -1 before that.
func (m *member) lastCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.counts) == 0 {
		return -1
	}
	return m.counts[len(m.counts)-1]
}

// taken waits until one of the two partitions is served by the second member, and
// returns that one and the other.
func taken(t *testing.T, second *member) (moved, kept int32) {
	t.Helper()
	eventually(t, "the second member to get a partition", func() bool {
		for moved = range 2 {
			if second.live(moved) != nil {
				return true
			}
		}
		return false
	})
	return moved, 1 - moved
}

// The revoked claim's Serve holds the partition until it has committed 3 of 5
// messages; the next owner reads from there and not earlier.
func aRevokedClaimDrains(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 2)
	f.fill(t, 0, 5)
	f.fill(t, 1, 5)
	revoked, gate, over := make(chan *tenure, 100), make(chan struct{}), make(chan struct{})
	defer close(over)
	letGo := sync.OnceFunc(func() { close(gate) })
	defer letGo()
	one := f.join(t, func(m *member) {
		m.drained = func(served *tenure) {
			if happened(over) {
				return
			}
			revoked <- served
			<-gate
			m.commit(t, served, 3)
		}
	})
	one.holds(t, 0).reads(t, 5)
	one.holds(t, 1).reads(t, 5)

	two := f.join(t, nil)
	draining := await(t, "a claim to be revoked", revoked)
	f.wantCommitted(t, draining.Partition(), 0)
	if len(two.of(draining.Partition())) > 0 {
		t.Error("the next owner reads while the old one drains")
	}
	letGo()
	moved, _ := taken(t, two)
	served := two.live(moved)
	if served.Start() != 3 {
		t.Errorf("the next owner starts at %d, want 3, which the old one committed while draining", served.Start())
	}
	wantOffsets(t, served.reads(t, 2), 3, 4)
	if !happened(one.of(moved)[0].returned) {
		t.Error("the next owner reads before the old one's Serve returned")
	}
	one.hears(t, 1)
	two.hears(t, 1)
}

func keptClaimsAreUndisturbed(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 2)
	f.fill(t, 0, 2)
	f.fill(t, 1, 2)
	one := f.join(t, nil)
	one.holds(t, 0).reads(t, 2)
	one.holds(t, 1).reads(t, 2)
	two := f.join(t, nil)
	moved, kept := taken(t, two)
	claim := one.of(kept)[0]
	one.commit(t, claim, 1)
	f.fill(t, kept, 2)
	wantOffsets(t, claim.reads(t, 4), 0, 1, 2, 3)
	one.commit(t, claim, 4)
	f.wantCommitted(t, kept, 4)
	two.commit(t, two.live(moved), 2)

	two.stop(t)
	one.hears(t, 2)
	one.holds(t, moved)
	if len(one.of(kept)) != 1 || happened(claim.closed) {
		t.Error("a partition that stayed was taken away and given back")
	}
}

func aReturningPartitionIsAnotherClaim(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 2)
	f.fill(t, 0, 5)
	f.fill(t, 1, 5)
	one := f.join(t, nil)
	one.holds(t, 0).reads(t, 5)
	one.holds(t, 1).reads(t, 5)
	two := f.join(t, nil)
	moved, kept := taken(t, two)
	old := one.of(moved)[0]
	await(t, "the revoked claim to end", old.closed)
	two.commit(t, two.live(moved), 2)
	two.stop(t)

	again := one.holds(t, moved)
	if again.Claim == old.Claim {
		t.Error("a partition that came back is the same claim")
	}
	if again.Start() != 2 {
		t.Errorf("it starts at %d, want 2, which the other member committed", again.Start())
	}
	wantOffsets(t, again.reads(t, 3), 2, 3, 4)

	verdicts := one.commitAll(t,
		source.Commit{Claim: old, Next: 5}, source.Commit{Claim: one.holds(t, kept), Next: 4})
	if !errors.Is(verdicts[0], source.ErrFenced) || verdicts[1] != nil {
		t.Errorf("verdicts %v, want ErrFenced for the ended tenure and nil for the other", verdicts)
	}
	f.wantCommitted(t, moved, 2)
	f.wantCommitted(t, kept, 4)
	one.commit(t, again, 5)
	f.wantCommitted(t, moved, 5)
}
