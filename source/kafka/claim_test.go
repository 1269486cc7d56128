package kafka_test

import (
	"errors"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/source/kafka"
)

func TestTheStartIsPinnedByACommitBeforeItIsServed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		opts []kafka.Option
		want int64
	}{
		"oldest": {nil, 4},
		"newest": {[]kafka.Option{kafka.WithStartNewest()}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, kfake.SeedTopics(1, "orders"))
			fill(t, c.ListenAddrs(), "orders", 0, 0, 10)
			if err := c.DeleteRecords("orders", 0, 4); err != nil {
				t.Fatal(err)
			}
			e := newEngine()
			run(t, newSource(t, c.ListenAddrs(), "orders", test.opts...), e)
			claim := next(t, e.claims, "the claim")
			if claim.Start() != test.want || committed(c, "orders", 0) != test.want {
				t.Errorf("start %d, committed %d; want %d", claim.Start(), committed(c, "orders", 0), test.want)
			}
			fill(t, c.ListenAddrs(), "orders", 0, 10, 1)
			if m := next(t, e.messages, "a message"); m.Position().Offset != test.want {
				t.Errorf("the first message is at %d, want %d", m.Position().Offset, test.want)
			}
		})
	}
}

func TestAPinIsTriedAgain(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.CoordinatorLoadInProgress, Count: 2})
	e := newEngine()
	run(t, newSource(t, c.ListenAddrs(), "orders"), e)
	next(t, e.claims, "the claim")
	if at := committed(c, "orders", 0); at != 0 {
		t.Errorf("committed %d, want 0", at)
	}
	e.wantJoins(t, 1)
}

func TestAPinThatIsDeniedEndsRun(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.GroupAuthorizationFailed, Count: -1})
	if err := runAndFail(t, newSource(t, c.ListenAddrs(), "orders")); !errors.Is(err, source.ErrDenied) {
		t.Errorf("Run: %v, want ErrDenied", err)
	}
}

func TestATenureStartsWhereTheGroupCommitted(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	fill(t, c.ListenAddrs(), "orders", 0, 0, 10)
	commitAndLeave(t, newSource(t, c.ListenAddrs(), "orders"), 6)
	again := newEngine()
	run(t, newSource(t, c.ListenAddrs(), "orders"), again)
	if claim := next(t, again.claims, "the claim"); claim.Start() != 6 {
		t.Errorf("start %d, want 6", claim.Start())
	}
	if m := next(t, again.messages, "a message"); m.Position().Offset != 6 {
		t.Errorf("the first message is at %d, want 6", m.Position().Offset)
	}
}

func TestAPausedPartitionIsNotFetched(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(2, "orders"))
	e := newEngine()
	run(t, newSource(t, c.ListenAddrs(), "orders"), e)
	paused, other := next(t, e.claims, "a claim"), next(t, e.claims, "a claim")
	paused.Pause()
	paused.Pause()
	fetches := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Observe: true, Count: -1})
	if err := fetches.Wait(t.Context(), 2); err != nil { // one may have been under way
		t.Fatal(err)
	}
	fill(t, c.ListenAddrs(), "orders", paused.Partition(), 0, 5)
	fill(t, c.ListenAddrs(), "orders", other.Partition(), 0, 5)
	for range 5 {
		if m := next(t, e.messages, "a message"); m.Position().Partition == paused.Partition() {
			t.Fatalf("%v came while paused", m.Position())
		}
	}
	paused.Resume()
	for range 5 {
		next(t, e.messages, "a message after Resume")
	}
}

func TestANewTenureIsNotPaused(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	e := newEngine()
	src := newSource(t, c.ListenAddrs(), "orders")
	run(t, src, e)
	first := next(t, e.claims, "the claim")
	first.Pause()
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Group: "g", Err: kerr.UnknownMemberID})
	next(t, e.ended, "the end of the first tenure")
	next(t, e.claims, "the second tenure")
	first.Pause() // without effect
	fill(t, c.ListenAddrs(), "orders", 0, 0, 1)
	next(t, e.messages, "a message in the second tenure")
}

func TestReceiveCanBeWokenAndPrefersMessages(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	e := &manual{claims: make(chan source.Claim, 1), release: make(chan struct{})}
	stop := run(t, newSource(t, c.ListenAddrs(), "orders"), e)
	claim := next(t, e.claims, "the claim")
	wake := make(chan struct{})
	close(wake)
	if _, err := source.Next(claim, wake); !errors.Is(err, source.ErrWoken) {
		t.Errorf("Receive without a message: %v, want ErrWoken", err)
	}
	fill(t, c.ListenAddrs(), "orders", 0, 0, 2)
	if _, err := source.Next(claim, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a ready message is preferred to waking", func() bool {
		m, err := source.Next(claim, wake)
		return err == nil && m.Position().Offset == 1
	})
	over := make(chan error, 1)
	go func() {
		_, err := source.Next(claim, nil)
		over <- err
		close(e.release)
	}()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if err := next(t, over, "the end of Receive"); !errors.Is(err, source.ErrClosed) {
		t.Errorf("Receive while stopping: %v, want ErrClosed", err)
	}
}

// manual leaves receiving to the test.
type manual struct {
	claims  chan source.Claim
	release chan struct{}
}

func (m *manual) Assigned(int) {}
func (m *manual) Serve(c source.Claim) {
	m.claims <- c
	<-m.release
}

func TestAnEndedClaimDoesNotWaitForALongPoll(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(2, "orders"))
	slow := kafka.WithSarama(func(c *sarama.Config) { c.Consumer.MaxWaitTime = 2 * time.Second })
	e := newEngine()
	stop := run(t, newSource(t, c.ListenAddrs(), "orders", slow), e)
	next(t, e.claims, "a claim")
	next(t, e.claims, "a claim")
	fetches := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Observe: true, Count: -1})
	fill(t, c.ListenAddrs(), "orders", 0, 0, 1)
	next(t, e.messages, "a message, after which the next long poll begins")
	if err := fetches.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	go func() { _ = stop() }()
	next(t, e.ended, "the end of a claim")
	next(t, e.ended, "the end of a claim")
	if took := time.Since(began); took > time.Second {
		t.Errorf("the claims ended after %v", took)
	}
}
