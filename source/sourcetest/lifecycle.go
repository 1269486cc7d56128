package sourcetest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/vlab-research/burrow/source"
)

func eachPartitionIsServedAtOnce(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 3)
	m, release := f.joinByHand(t)
	for partition := range int32(3) {
		m.holds(t, partition) // while the Serves of the others don't return
	}
	m.hears(t, 3)
	release()
}

func theEndOfTheContextEndsTheClaims(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 2)
	m := f.join(t, nil)
	zero, one := m.holds(t, 0), m.holds(t, 1)
	m.stop(t)
	for _, claim := range []*tenure{zero, one} {
		await(t, "ErrClosed", claim.closed)
		if _, err := receive(t, claim, nil); !errors.Is(err, source.ErrClosed) {
			t.Errorf("Receive after ErrClosed: %v, want ErrClosed again", err)
		}
		eventually(t, "ErrClosed in spite of wake", func() bool {
			_, err := receive(t, claim, closedChannel())
			return errors.Is(err, source.ErrClosed)
		})
	}
}

// While Run waits for them, Serves can still commit what they drained.
func runOutlivesEveryServe(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 2)
	gate := make(chan struct{})
	letGo := sync.OnceFunc(func() { close(gate) })
	defer letGo()
	m := f.join(t, func(m *member) {
		m.drained = func(served *tenure) {
			<-gate
			m.commit(t, served, served.Start()+int64(len(served.received())))
		}
	})
	zero, one := m.holds(t, 0), m.holds(t, 1)
	f.fill(t, 0, 2)
	f.fill(t, 1, 3)
	zero.reads(t, 2)
	one.reads(t, 3)
	m.cancel()
	await(t, "ErrClosed", zero.closed)
	await(t, "ErrClosed", one.closed)
	if happened(m.done) {
		t.Error("Run returned before its Serves")
	}
	letGo()
	await(t, "Run to return", m.done)
	if !happened(zero.returned) || !happened(one.returned) {
		t.Error("Run returned before its Serves")
	}
	f.wantCommitted(t, 0, 2)
	f.wantCommitted(t, 1, 3)
}

func runWithAnEndedContextReturns(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 1)
	m := f.join(t, func(m *member) { m.cancel() })
	m.stop(t)
	for _, served := range m.of(0) {
		if !happened(served.returned) {
			t.Error("Run left a Serve behind")
		}
	}
}

func anUnknownTopicIsAnError(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 1)
	missing := f.topic + "-missing"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := make(chan error, 1)
	src := f.Source(t, f.group, []string{f.topic, missing})
	go func() { result <- src.Run(ctx, newMember(src)) }()
	err := await(t, "Run to give up", result)
	if err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("Run with an unknown topic: %v, want an error that names %s", err, missing)
	}
}

func healthFollowsMembership(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 1)
	if src := f.Source(t, f.group, []string{f.topic}); src.Health() == nil {
		t.Error("a source that never ran is healthy")
	} else if src.RebalanceTimeout() < 0 {
		t.Errorf("rebalance timeout %v", src.RebalanceTimeout())
	}
	m := f.join(t, nil)
	m.holds(t, 0)
	eventually(t, "health", func() bool { return m.Health() == nil })
	m.stop(t)
	if m.Health() == nil {
		t.Error("a source that was stopped is healthy")
	}
}
