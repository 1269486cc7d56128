package kafka_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/source/kafka"
)

// The broker has a new generation from the last join on, the member only from the
// answer to its sync on.
func TestACommitWhileStoppingInARebalanceIsNotFenced(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	e := newEngine()
	src := newSource(t, c.ListenAddrs(), "orders")
	refused, synced, verdict := make(chan error, 1), make(chan struct{}), make(chan error, 1)
	e.drain = func(claim source.Claim) {
		refused <- commit(src, claim, 0)
		<-synced
		verdict <- insist(t, src, claim, 0)
	}
	stop := run(t, src, e)
	next(t, e.claims, "the claim")
	member := c.GroupInfo("g").Members[0].MemberID
	syncing := make(chan struct{})
	c.ControlKey(int16(kmsg.SyncGroup), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if r.(*kmsg.SyncGroupRequest).MemberID == member {
			c.DropControl()
			close(syncing)
			c.SleepControl(func() { <-synced })
		}
		return nil, nil, false
	})
	run(t, newSource(t, c.ListenAddrs(), "orders"), newEngine())
	next(t, syncing, "the member to sync")
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	if err := next(t, refused, "the first verdict"); err == nil || errors.Is(err, source.ErrFenced) {
		t.Errorf("verdict %v, want one that may be tried again", err)
	}
	close(synced)
	if err := next(t, verdict, "the last verdict"); err != nil {
		t.Errorf("verdict %v after the rebalance", err)
	}
	if err := next(t, stopped, "the end of Run"); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// insist commits until a verdict is final, as an engine does.
func insist(t testing.TB, src *kafka.Source, claim source.Claim, at int64) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := commit(src, claim, at)
		if err == nil || errors.Is(err, source.ErrFenced) || errors.Is(err, source.ErrDenied) {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return err
		}
	}
}
