package sourcetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/vlab-research/burrow/source"
)

func theStartIsCommitted(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 1)
	f.fill(t, 0, 3)
	m := f.join(t, func(m *member) {
		m.began = func(served *tenure) {
			if next, ok := f.Committed(t, f.group, f.topic, 0); !ok || next > served.Start() {
				t.Errorf("when Serve begins at %d, the broker has committed %d (%v)", served.Start(), next, ok)
			}
		}
	})
	m.holds(t, 0).reads(t, 3)
	m.stop(t)
	f.wantCommitted(t, 0, 0)
	wantOffsets(t, f.join(t, nil).holds(t, 0).reads(t, 3), 0, 1, 2)
}

func aCommitIsWhereTheNextMemberStarts(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 2)
	f.fill(t, 0, 6)
	f.fill(t, 1, 6)
	m := f.join(t, nil)
	zero, one := m.holds(t, 0), m.holds(t, 1)
	zero.reads(t, 6)
	one.reads(t, 6)
	if verdicts := m.Commit(t.Context(), nil); len(verdicts) != 0 {
		t.Errorf("an empty commit has the verdicts %v", verdicts)
	}
	verdicts := m.commitAll(t, source.Commit{Claim: zero, Next: 4}, source.Commit{Claim: one, Next: 6})
	if err := errors.Join(verdicts...); err != nil {
		t.Fatal(err)
	}
	f.wantCommitted(t, 0, 4)
	f.wantCommitted(t, 1, 6)
	m.stop(t)

	next := f.join(t, nil)
	zero, one = next.holds(t, 0), next.holds(t, 1)
	if zero.Start() != 4 || one.Start() != 6 {
		t.Errorf("the next member starts at %d and %d, want 4 and 6", zero.Start(), one.Start())
	}
	f.fill(t, 1, 1)
	wantOffsets(t, zero.reads(t, 2), 4, 5)
	wantOffsets(t, one.reads(t, 1), 6)
}

func aCommitEndsWithItsContext(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 1)
	f.fill(t, 0, 3)
	m := f.join(t, nil)
	claim := m.holds(t, 0)
	claim.reads(t, 3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	result := make(chan []error, 1)
	go func() { result <- m.Commit(ctx, []source.Commit{{Claim: claim, Next: 2}}) }()
	verdicts := await(t, "Commit to return", result)
	if len(verdicts) != 1 || errors.Is(verdicts[0], source.ErrFenced) || errors.Is(verdicts[0], source.ErrDenied) {
		t.Fatalf("a commit whose context has ended has the verdicts %v, want one that may be tried again", verdicts)
	}
	m.commit(t, claim, 3)
	f.wantCommitted(t, 0, 3)
}

func aStalledCommitEndsWithItsContext(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 1)
	m := f.join(t, nil)
	claim := m.holds(t, 0)
	cluster.Abilities().Stall(t, f.group)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	result := make(chan []error, 1)
	go func() { result <- m.Commit(ctx, []source.Commit{{Claim: claim, Next: 0}}) }()
	started := time.Now()
	verdicts := await(t, "Commit to return", result)
	if took := time.Since(started); took > Patience/10 {
		t.Errorf("Commit returned %v after its context ended", took)
	}
	if len(verdicts) != 1 || verdicts[0] == nil {
		t.Errorf("a commit that nobody answered has the verdicts %v", verdicts)
	}
}

func nothingIsCommittedAfterRun(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 1)
	f.fill(t, 0, 3)
	m := f.join(t, nil)
	claim := m.holds(t, 0)
	claim.reads(t, 3)
	m.commit(t, claim, 2)
	m.stop(t)
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	if verdicts := m.Commit(ctx, []source.Commit{{Claim: claim, Next: 3}}); len(verdicts) != 1 || verdicts[0] == nil {
		t.Errorf("a commit after Run has the verdicts %v, want an error", verdicts)
	}
	f.wantCommitted(t, 0, 2)
}

func anExpelledMemberIsFenced(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 1)
	f.fill(t, 0, 3)
	m := f.join(t, nil)
	claim := m.holds(t, 0)
	claim.reads(t, 3)
	m.commit(t, claim, 1)
	cluster.Abilities().Expel(t, f.group, m.Source)
	verdicts := m.commitAll(t, source.Commit{Claim: claim, Next: 3})
	if !errors.Is(verdicts[0], source.ErrFenced) {
		t.Errorf("the commit of an expelled member: %v, want ErrFenced", verdicts[0])
	}
	f.wantCommitted(t, 0, 1)
}
