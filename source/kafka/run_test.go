package kafka_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/source/kafka"
)

func TestMessagesComeInTheOrderOfTheLog(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	fill(t, c.ListenAddrs(), "orders", 0, 0, 500)
	e := newEngine()
	src := newSource(t, c.ListenAddrs(), "orders")
	run(t, src, e)
	for want := range int64(500) {
		m := next(t, e.messages, "a message")
		if p := m.Position(); p.Offset != want || p.Topic != "orders" || p.Partition != 0 {
			t.Fatalf("got %v, want offset %d", p, want)
		}
	}
	claim := next(t, e.claims, "the claim")
	if claim.Start() != 0 || claim.HighWatermark() != 500 {
		t.Errorf("start %d, high watermark %d; want 0, 500", claim.Start(), claim.HighWatermark())
	}
	if err := src.Health(); err != nil {
		t.Errorf("Health while all is well: %v", err)
	}
}

func TestRunReturnsNilWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(3, "orders"))
	e := newEngine()
	src := newSource(t, c.ListenAddrs(), "orders")
	stop := run(t, src, e)
	for range 3 {
		next(t, e.claims, "a claim")
	}
	if err := stop(); err != nil {
		t.Fatalf("Run: %v", err)
	}
	if len(e.ended) != 3 {
		t.Errorf("Run returned before %d of 3 Serves", 3-len(e.ended))
	}
	if src.Health() == nil {
		t.Error("a stopped source says it is healthy")
	}
	if n := len(c.GroupInfo("g").Members); n != 0 {
		t.Errorf("%d members after leaving the group", n)
	}
	if err := src.Run(t.Context(), e); err == nil {
		t.Error("Run ran twice")
	}
}

func TestRunWaitsForTheDrainAndItsCommit(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	fill(t, c.ListenAddrs(), "orders", 0, 0, 5)
	e := newEngine()
	src := newSource(t, c.ListenAddrs(), "orders")
	verdict := make(chan error, 1)
	e.drain = func(claim source.Claim) { verdict <- commit(src, claim, 5) }
	stop := run(t, src, e)
	for range 5 {
		next(t, e.messages, "a message")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if err := next(t, verdict, "the verdict"); err != nil {
		t.Errorf("the commit of the drain: %v", err)
	}
	if at := committed(c, "orders", 0); at != 5 {
		t.Errorf("committed %d, want 5", at)
	}
}

func TestARevokedClaimClosesWhileTheOthersGoOn(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(4, "orders"))
	first, second := newEngine(), newEngine()
	a := newSource(t, c.ListenAddrs(), "orders")
	late := make(chan error, 4)
	first.drain = func(claim source.Claim) { late <- commit(a, claim, 0) }
	run(t, a, first)
	for range 4 {
		next(t, first.claims, "a claim of the first member")
	}
	stop := run(t, newSource(t, c.ListenAddrs(), "orders"), second)
	for range 2 {
		next(t, second.claims, "a claim of the second member")
	}
	for range 2 {
		gone := next(t, first.ended, "a revocation")
		if err := next(t, late, "the commit while draining"); err != nil {
			t.Errorf("a revoked claim couldn't commit while it drained: %v", err)
		}
		if err := commit(a, gone, 0); !errors.Is(err, source.ErrFenced) {
			t.Errorf("a commit of an ended claim: %v, want ErrFenced", err)
		}
	}
	if len(first.ended) != 0 {
		t.Error("a claim that didn't move was interrupted")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		next(t, first.claims, "a claim that came back, as a new tenure")
	}
	if len(first.ended) != 0 {
		t.Error("a claim that didn't move was interrupted by the other's leaving")
	}
}

func TestAssignedTellsEachRebalance(t *testing.T) {
	t.Parallel()
	for name, strategy := range map[string]func() sarama.BalanceStrategy{
		"cooperative-sticky": sarama.NewBalanceStrategyCooperativeSticky,
		"sticky":             sarama.NewBalanceStrategySticky,
		"range":              sarama.NewBalanceStrategyRange,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, kfake.SeedTopics(4, "orders"))
			with := kafka.WithSarama(func(c *sarama.Config) {
				c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy()}
			})
			first, second := newEngine(), newEngine()
			run(t, newSource(t, c.ListenAddrs(), "orders", with), first)
			until(t, first.assigned, 4)
			stop := run(t, newSource(t, c.ListenAddrs(), "orders", with), second)
			until(t, first.assigned, 2)
			until(t, second.assigned, 2)
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			until(t, first.assigned, 4)
		})
	}
}

func until(t *testing.T, assigned <-chan int, want int) {
	t.Helper()
	for next(t, assigned, "a rebalance") != want { //nolint:revive // waits
	}
}

func TestAMemberWithoutPartitionsIsReady(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	first, second := newEngine(), newEngine()
	run(t, newSource(t, c.ListenAddrs(), "orders"), first)
	next(t, first.claims, "the claim")
	idle := newSource(t, c.ListenAddrs(), "orders")
	run(t, idle, second)
	until(t, second.assigned, 0)
	eventually(t, "the idle member is healthy", func() bool { return idle.Health() == nil })
}

func TestStaticMembersCommitAsThemselves(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	e := newEngine()
	src := newSource(t, c.ListenAddrs(), "orders", kafka.WithSarama(func(c *sarama.Config) {
		c.Consumer.Group.InstanceId = "worker-1"
	}))
	run(t, src, e)
	claim := next(t, e.claims, "the claim")
	as := make(chan string, 1)
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Observe: true, When: func(r kmsg.Request) bool {
		id := "nobody"
		if given := r.(*kmsg.OffsetCommitRequest).InstanceID; given != nil {
			id = *given
		}
		select {
		case as <- id:
		default: // asked more than once for a request
		}
		return true
	}})
	if err := commit(src, claim, 0); err != nil {
		t.Errorf("commit: %v", err)
	}
	if id := next(t, as, "the commit"); id != "worker-1" {
		t.Errorf("committed as %s", id)
	}
}

func TestTheCallersCauseIsNotAnError(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	e := newEngine()
	ctx, cancel := context.WithCancelCause(context.Background())
	result := make(chan error, 1)
	src := newSource(t, c.ListenAddrs(), "orders")
	go func() { result <- src.Run(ctx, e) }()
	next(t, e.claims, "the claim")
	cancel(errors.New("deploying"))
	if err := next(t, result, "the end"); err != nil {
		t.Errorf("Run: %v, want nil", err)
	}
}

func TestRunEndsInTimeWhileTheCoordinatorHangs(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	e := newEngine()
	proxy := newProxy(t)
	src := newSource(t, c.ListenAddrs(), "orders", kafka.WithSarama(proxy.install))
	stop := run(t, src, e)
	next(t, e.claims, "the claim")
	proxy.stall(true)
	began := time.Now()
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if took := time.Since(began); took > 4*5*time.Second {
		t.Errorf("Run took %v to end", took)
	}
}

func TestAnOlderBrokerIsSpokenToInItsVersion(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"), kfake.MaxVersions(kversion.V2_4_0()))
	fill(t, c.ListenAddrs(), "orders", 0, 0, 1)
	e := newEngine()
	src := newSource(t, c.ListenAddrs(), "orders")
	run(t, src, e)
	next(t, e.messages, "a message")
	if err := commit(src, next(t, e.claims, "the claim"), 1); err != nil {
		t.Errorf("commit: %v", err)
	}
	if err := newProducer(t, c.ListenAddrs()).Publish(t.Context(), "orders", nil, nil, nil); err != nil {
		t.Errorf("publish: %v", err)
	}
}

func TestAGroupThatForgotItsMemberIsJoinedAgain(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(2, "orders"))
	e := newEngine()
	src := newSource(t, c.ListenAddrs(), "orders")
	run(t, src, e)
	lost := next(t, e.claims, "a claim")
	next(t, e.claims, "a claim")
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Group: "g", Err: kerr.UnknownMemberID})
	next(t, e.ended, "the end of a claim")
	next(t, e.ended, "the end of a claim")
	next(t, e.claims, "a claim of a new tenure")
	if err := commit(src, lost, 0); !errors.Is(err, source.ErrFenced) {
		t.Errorf("a commit of the lost tenure: %v, want ErrFenced", err)
	}
	if err := commit(src, next(t, e.claims, "a claim of a new tenure"), 0); err != nil {
		t.Errorf("a commit of the new tenure: %v", err)
	}
}
