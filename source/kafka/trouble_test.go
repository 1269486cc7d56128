package kafka_test

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vlab-research/burrow/source/kafka"
)

func TestALostBrokerIsSurvived(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	fill(t, c.ListenAddrs(), "orders", 0, 0, 1)
	e := newEngine()
	proxy := newProxy(t)
	src := newSource(t, c.ListenAddrs(), "orders", kafka.WithSarama(proxy.install))
	run(t, src, e)
	next(t, e.messages, "a message before the trouble")
	proxy.block("all")
	eventually(t, "Health shows the lost broker", func() bool { return src.Health() != nil })
	proxy.block("")
	fill(t, c.ListenAddrs(), "orders", 0, 1, 1)
	for next(t, e.messages, "a message after the trouble").Position().Offset != 1 { //nolint:revive // a repeat is allowed
	}
	eventually(t, "Health is well again", func() bool { return src.Health() == nil })
}

// The other brokers answer for the metadata, and the group goes on.
func TestHealthShowsALeaderThatIsOutOfReach(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.NumBrokers(3), kfake.SeedTopics(1, "orders"))
	leader := (c.CoordinatorFor("g") + 1) % 3
	if err := c.MoveTopicPartition("orders", 0, leader); err != nil {
		t.Fatal(err)
	}
	proxy := newProxy(t)
	src := newSource(t, c.ListenAddrs(), "orders", kafka.WithSarama(proxy.install))
	e := newEngine()
	run(t, src, e)
	next(t, e.claims, "the claim")
	addr := c.ListenAddrs()[leader]
	proxy.block(addr)
	eventually(t, "Health names the broker", func() bool { return contains(src.Health(), addr) })
	proxy.block("")
	eventually(t, "Health is well again", func() bool { return src.Health() == nil })
	fill(t, c.ListenAddrs(), "orders", 0, 0, 1)
	next(t, e.messages, "a message, of the broker that is back")
	if len(e.ended) > 0 {
		t.Error("a claim ended")
	}
}

func TestADeletedTopicDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	g := newGround(t, 1)
	doomed := g.CreateTopic(t, "parcels", 1)
	log, said := newLogger()
	e := newEngine()
	src := g.sourceOf(t, []string{g.topic, doomed}, kafka.WithLogger(log))
	run(t, src, e)
	next(t, e.claims, "a claim")
	next(t, e.claims, "a claim")
	if _, err := g.admin(t).DeleteTopic(t.Context(), doomed); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Health names the topic", func() bool { return contains(src.Health(), doomed) })
	next(t, e.ended, "the end of a claim")
	next(t, e.ended, "the end of a claim")
	claim := next(t, e.claims, "the claim that is left")
	if claim.Topic() != g.topic {
		t.Errorf("a claim of %s", claim.Topic())
	}
	fill(t, g.Addrs(), g.topic, 0, 0, 1)
	if m := next(t, e.messages, "a message of the other topic"); m.Position().Topic != g.topic {
		t.Errorf("got %v", m.Position())
	}
	if err := commit(src, claim, 1); err != nil {
		t.Errorf("the commit of the other topic: %v", err)
	}
	if !containsText(said.text(), doomed) {
		t.Error("the log doesn't name the topic")
	}
}

func TestATruncatedLogRestartsFromItsOldestMessage(t *testing.T) {
	t.Parallel()
	for name, newest := range map[string]bool{"from the oldest": false, "from the newest": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGround(t, 1)
			fill(t, g.Addrs(), g.topic, 0, 0, 10)
			commitAndLeave(t, g.source(t), 3)
			g.deleteBefore(t, 0, 7)
			log, said := newLogger()
			opts := []kafka.Option{kafka.WithLogger(log)}
			if newest {
				opts = append(opts, kafka.WithStartNewest())
			}
			after := newEngine()
			run(t, g.source(t, opts...), after)
			if m := next(t, after.messages, "a message"); m.Position().Offset != 7 {
				t.Errorf("restarted at %d, want 7", m.Position().Offset)
			}
			for _, text := range []string{"level=error", "skipped=4"} {
				if !containsText(said.text(), text) {
					t.Errorf("the log doesn't say %s: %s", text, said.text())
				}
			}
		})
	}
}

// The group's commit moves past the gap, so nobody could tell of it later.
func TestATruncatedLogIsToldThoughTheAnswerToItsCommitIsLost(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	fill(t, c.ListenAddrs(), "orders", 0, 0, 10)
	commitAndLeave(t, newSource(t, c.ListenAddrs(), "orders"), 3)
	if err := c.DeleteRecords("orders", 0, 7); err != nil {
		t.Fatal(err)
	}
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.RequestTimedOut}) // and it is stored
	log, said := newLogger()
	after := newEngine()
	run(t, newSource(t, c.ListenAddrs(), "orders", kafka.WithLogger(log)), after)
	if claim := next(t, after.claims, "the claim"); claim.Start() != 7 {
		t.Errorf("restarted at %d, want 7", claim.Start())
	}
	if n := strings.Count(said.text(), "skipped=4"); n != 1 {
		t.Errorf("the log tells %d times what was skipped, want once: %s", n, said.text())
	}
}

// The records between the position and the log's new beginning are lost: the claim
// ends, and another one goes on from there.
func TestAPositionThatExpiresWhileReadingRestartsFromTheOldest(t *testing.T) {
	t.Parallel()
	g := newGround(t, 2)
	log, said := newLogger()
	e := newEngine()
	src := g.source(t, kafka.WithLogger(log))
	run(t, src, e)
	claim, other := next(t, e.claims, "a claim"), next(t, e.claims, "a claim")
	claim.Pause()
	g.settle(t, e, other.Partition())
	fill(t, g.Addrs(), g.topic, claim.Partition(), 0, 9)
	g.deleteBefore(t, claim.Partition(), 6)
	claim.Resume()
	again := next(t, e.claims, "a claim that goes on")
	if again.Partition() != claim.Partition() {
		again = next(t, e.claims, "the other claim that goes on")
	}
	if again.Start() != 6 {
		t.Errorf("it starts at %d, want 6", again.Start())
	}
	for m := next(t, e.messages, "a message"); m.Position().Offset != 8; m = next(t, e.messages, "the last message") {
		if m.Position().Partition == claim.Partition() && m.Position().Offset < 6 {
			t.Errorf("got %v, which was deleted", m.Position())
		}
	}
	if err := commit(src, again, 9); err != nil {
		t.Errorf("commit: %v", err)
	}
	if !containsText(said.text(), "level=error") || !containsText(said.text(), "skipped=6") {
		t.Errorf("the log doesn't tell what was skipped: %s", said.text())
	}
}

func TestCommitsSucceedWhenEachAnswerIsSlow(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	e := newEngine()
	proxy := newProxy(t)
	src := newSource(t, c.ListenAddrs(), "orders", kafka.WithSarama(proxy.install), kafka.WithCommitTimeout(600*time.Millisecond))
	run(t, src, e)
	claim := next(t, e.claims, "the claim")
	if err := commit(src, claim, 0); err != nil {
		t.Fatal(err)
	}
	// A read brings an answer's length, and another one the rest.
	proxy.delay(240 * time.Millisecond)
	proxy.block("all")
	proxy.block("")
	began := time.Now()
	eventually(t, "a commit over new connections", func() bool {
		for len(e.claims) > 0 {
			claim = <-e.claims
		}
		return commit(src, claim, 0) == nil
	})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}
