package kafka_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vlab-research/burrow/source/kafka"
)

func TestTheRequestsOfAStartDoNotGrowWithItsPartitions(t *testing.T) {
	t.Parallel()
	const few = 12 // a claim may come late, so there may be more than the first and the rest
	for _, n := range []int{few / 3, 20 * few} {
		c := newCluster(t, kfake.SeedTopics(int32(n), "orders"))
		asked := gather(c, n)
		e := newEngine()
		stop := run(t, newSource(t, c.ListenAddrs(), "orders"), e)
		for range n {
			next(t, e.claims, "a claim")
		}
		fetches, lists, commits := asked.own()
		t.Logf("%d partitions: besides sarama's own %d OffsetFetch, %d ListOffsets, %d OffsetCommit", n, fetches, lists, commits)
		if fetches > few || lists > few || commits > few {
			t.Errorf("for %d partitions %d OffsetFetch, %d ListOffsets, %d OffsetCommit, want at most %d of each", n, fetches, lists, commits, few)
		}
		for i := range int32(n) {
			if at := committed(c, "orders", i); at != 0 {
				t.Errorf("partition %d is committed at %d, want 0", i, at)
			}
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// One request is for all, and one answer is not.
func TestAPartitionThatIsRefusedAPinHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	const n, bad = 8, 3
	for name, key := range map[string]kmsg.Key{"its commit": kmsg.OffsetCommit, "its log": kmsg.ListOffsets} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, kfake.SeedTopics(n, "orders"))
			asked := gather(c, n)
			fault := c.Fault(kfake.Fault{
				Keys: []kmsg.Key{key}, Topic: "orders", Partitions: []int32{bad}, Err: kerr.UnknownServerError, Count: -1,
				When: asked.isOwn,
			})
			e := newEngine()
			run(t, newSource(t, c.ListenAddrs(), "orders"), e)
			for range n - 1 {
				if claim := next(t, e.claims, "a claim"); claim.Partition() == bad {
					t.Error("a claim is served without a pin")
				}
			}
			if fault.Hits() == 0 {
				t.Error("nothing was refused")
			}
			for i := range int32(n) {
				if listed, committed := asked.times(i); i != bad && (listed != 2+2 || committed != 1) {
					t.Errorf("partition %d was asked for again: %d times for its log, %d commits", i, listed, committed)
				}
			}
			fault.Remove()
			if claim := next(t, e.claims, "the claim that was refused"); claim.Partition() != bad {
				t.Errorf("a second claim of %d", claim.Partition())
			}
			e.wantJoins(t, 1)
		})
	}
}

func TestABrokerThatHangsHoldsUpNoOthersPins(t *testing.T) {
	t.Parallel()
	c, hung := apart(t)
	release := make(chan struct{})
	holdLists(c, hung, saramasLists, func() { <-release })
	e := newEngine()
	run(t, newSource(t, c.ListenAddrs(), "orders"), e)
	if claim := next(t, e.claims, "the claim of the broker that answers"); claim.Partition() != 0 {
		t.Errorf("a claim of %d, whose leader hangs", claim.Partition())
	}
	close(release)
	next(t, e.claims, "the other claim")
}

func TestAPinFindsALeaderThatMoved(t *testing.T) {
	t.Parallel()
	c, before := apart(t)
	lists := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Nodes: []int32{before}, Observe: true, Count: -1})
	asked := gather(c, 2)
	e := newEngine()
	run(t, newSource(t, c.ListenAddrs(), "orders"), e)
	next(t, asked.begun, "the beginning")
	if err := c.MoveTopicPartition("orders", 1, 1-before); err != nil {
		t.Fatal(err)
	}
	next(t, e.claims, "a claim")
	next(t, e.claims, "a claim")
	if hits := lists.Hits(); hits != 2+2 { // sarama's, and those that were refused
		t.Errorf("the earlier leader was asked %d times, want 4", hits)
	}
	e.wantJoins(t, 1)
}

// A pin in front of where sarama begins would hide what came in between.
func TestAStartAtTheNewestIsNotPinnedBeforeSaramaBegins(t *testing.T) {
	t.Parallel()
	c, slow := apart(t)
	release := make(chan struct{})
	holdLists(c, slow, 0, func() { <-release })
	e := newEngine()
	run(t, newSource(t, c.ListenAddrs(), "orders", kafka.WithStartNewest()), e)
	next(t, e.claims, "the claim that is read at once")
	fill(t, c.ListenAddrs(), "orders", 1, 0, 5)
	close(release)
	claim := next(t, e.claims, "the claim that is read later")
	if at := committed(c, "orders", 1); claim.Start() != 5 || at != 5 {
		t.Errorf("start %d, committed %d; sarama begins at 5", claim.Start(), at)
	}
}

// The pin is stored though its answer is lost, and what comes after it counts.
func TestAStartThatWasStoredIsKeptWhenItsPinIsTriedAgain(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.RequestTimedOut}) // and it is stored
	again, release := make(chan struct{}), make(chan struct{})
	fetches := 0
	c.ControlKey(int16(kmsg.OffsetFetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if fetches++; fetches == 4 { // after sarama's, the one for the assignment, and the one before the first try
			close(again)
			c.SleepControl(func() { <-release })
		}
		return nil, nil, false
	})
	e := newEngine()
	run(t, newSource(t, c.ListenAddrs(), "orders", kafka.WithStartNewest()), e)
	next(t, again, "the second try")
	fill(t, c.ListenAddrs(), "orders", 0, 0, 5)
	close(release)
	if claim := next(t, e.claims, "the claim"); claim.Start() != 0 {
		t.Errorf("it starts at %d, want the 0 that was stored", claim.Start())
	}
	if m := next(t, e.messages, "a message"); m.Position().Offset != 0 {
		t.Errorf("the first message is at %d, want 0", m.Position().Offset)
	}
}

// Sarama is ahead of every start, and one more session does for all of them, though the first to be pinned ends the
// session while another still asks where to begin.
func TestStartsThatSaramaHasPassedShareOneMoreSession(t *testing.T) {
	t.Parallel()
	c, slow := apart(t)
	for i := range int32(2) {
		fill(t, c.ListenAddrs(), "orders", i, 0, 10)
	}
	e := newEngine()
	src := newSource(t, c.ListenAddrs(), "orders")
	stop := run(t, src, e)
	for range 2 {
		if err := commit(src, next(t, e.claims, "a claim"), 3); err != nil {
			t.Fatal(err)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for i := range int32(2) {
		if err := c.DeleteRecords("orders", i, 7); err != nil {
			t.Fatal(err)
		}
	}
	answerLate(c, slow)
	after := newEngine()
	run(t, newSource(t, c.ListenAddrs(), "orders", kafka.WithStartNewest()), after)
	for range 2 {
		if claim := next(t, after.claims, "a claim"); claim.Start() != 7 {
			t.Errorf("%d starts at %d, want 7", claim.Partition(), claim.Start())
		}
	}
	after.wantJoins(t, 2)
}

// answerLate has a broker answer what we ask of its logs a fifth of a second later, or when the member's second
// session begins.
func answerLate(c *kfake.Cluster, node int32) {
	sessions := 0
	again := make(chan struct{})
	c.ControlKey(int16(kmsg.SyncGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if sessions++; sessions == 2 {
			close(again)
		}
		return nil, nil, false
	})
	holdLists(c, node, saramasLists, func() {
		select {
		case <-again:
		case <-time.After(200 * time.Millisecond):
		}
	})
}

// saramasLists is how often sarama asks a broker where its logs begin and end, before we do.
const saramasLists = 2

// holdLists has a broker wait before it answers what is asked of its logs, but for the first questions.
func holdLists(c *kfake.Cluster, node int32, first int, wait func()) {
	lists := 0
	c.ControlKey(int16(kmsg.ListOffsets), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if c.CurrentNode() == node {
			if lists++; lists > first {
				c.SleepControl(wait)
			}
		}
		return nil, nil, false
	})
}

// apart returns a cluster with two partitions, the second of which has a leader of its own.
func apart(t *testing.T) (c *kfake.Cluster, leader int32) {
	t.Helper()
	c = newCluster(t, kfake.NumBrokers(2), kfake.SeedTopics(2, "orders"))
	near := c.CoordinatorFor("g")
	for partition, node := range []int32{near, 1 - near} {
		if err := c.MoveTopicPartition("orders", int32(partition), node); err != nil {
			t.Fatal(err)
		}
	}
	return c, 1 - near
}
