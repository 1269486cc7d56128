package kafka_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vlab-research/burrow/internal/kafkatest"
	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/source/kafka"
	"github.com/vlab-research/burrow/stage"
)

// ground is a topic and a group of a test's own, on the Kafka that BURROW_TEST_KAFKA asks for.
type ground struct {
	*kafkatest.Broker
	topic, group string
}

func newGround(t testing.TB, partitions int) *ground {
	t.Helper()
	broker := kafkatest.Brokers(t, kfake.NumBrokers(3))
	return &ground{Broker: broker, topic: broker.CreateTopic(t, "orders", partitions), group: kafkatest.Unique("billing")}
}

func (g *ground) source(t testing.TB, opts ...kafka.Option) *kafka.Source {
	t.Helper()
	return g.sourceOf(t, []string{g.topic}, opts...)
}

func (g *ground) sourceOf(t testing.TB, topics []string, opts ...kafka.Option) *kafka.Source {
	t.Helper()
	src, err := kafka.NewSource(g.Addrs(), g.group, topics, slices.Concat([]kafka.Option{kafka.WithSarama(quick)}, opts)...)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// committed is where the group would go on, -1 for nothing.
func (g *ground) committed(t testing.TB, partition int32) int64 {
	t.Helper()
	if at, ok := g.Committed(t, g.group)[g.topic][partition]; ok {
		return at
	}
	return -1
}

func (g *ground) admin(t testing.TB) *kadm.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(g.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return kadm.NewClient(client)
}

// deleteBefore moves the beginning of a partition's log.
func (g *ground) deleteBefore(t testing.TB, partition int32, oldest int64) {
	t.Helper()
	var offsets kadm.Offsets
	offsets.AddOffset(g.topic, partition, oldest, -1)
	deleted, err := g.admin(t).DeleteRecords(t.Context(), offsets)
	if err := errors.Join(err, deleted.Error()); err != nil {
		t.Fatal(err)
	}
}

// settle waits until a pause has its effect, with the messages of another partition:
// the fetch that was under way has ended once the one after it brings something.
func (g *ground) settle(t testing.TB, e *engine, other int32) {
	t.Helper()
	for i := range 3 {
		fill(t, g.Addrs(), g.topic, other, i, 1)
		next(t, e.messages, "a message of the other partition")
	}
}

func TestOnACluster(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(*testing.T){
		"messages come in order and commits are stored": coreOrder,
		"a start at the newest message is pinned":       coreNewest,
		"partitions move to a second member and back":   coreRebalance,
		"a pause holds and ends":                        corePause,
		"an unknown topic is told":                      coreUnknownTopic,
		"records are published":                         corePublish,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t)
		})
	}
}

func coreOrder(t *testing.T) {
	g := newGround(t, 1)
	fill(t, g.Addrs(), g.topic, 0, 0, 1000)
	e := newEngine()
	src := g.source(t)
	stop := run(t, src, e)
	for want := range int64(1000) {
		if m := next(t, e.messages, "a message"); m.Position().Offset != want {
			t.Fatalf("got %v, want offset %d", m.Position(), want)
		}
	}
	if err := commit(src, next(t, e.claims, "the claim"), 700); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if at := g.committed(t, 0); at != 700 {
		t.Errorf("committed %d, want 700", at)
	}
	again := newEngine()
	run(t, g.source(t), again)
	if m := next(t, again.messages, "a message"); m.Position().Offset != 700 {
		t.Errorf("the next run begins at %d, want 700", m.Position().Offset)
	}
}

func coreNewest(t *testing.T) {
	g := newGround(t, 1)
	fill(t, g.Addrs(), g.topic, 0, 0, 10)
	e := newEngine()
	run(t, g.source(t, kafka.WithStartNewest()), e)
	if claim := next(t, e.claims, "the claim"); claim.Start() != 10 || g.committed(t, 0) != 10 {
		t.Errorf("start %d, committed %d; want 10", claim.Start(), g.committed(t, 0))
	}
}

// Not parallel, because it measures.
func TestACommitOnAnIdleTopicIsAcknowledgedAtOnce(t *testing.T) {
	g := newGround(t, 1)
	e := newEngine()
	src := g.source(t)
	run(t, src, e)
	claim := next(t, e.claims, "the claim")
	took := make([]time.Duration, 201)
	for i := range took {
		began := time.Now()
		if err := commit(src, claim, 0); err != nil {
			t.Fatal(err)
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	median := took[len(took)/2]
	t.Logf("commit to acknowledgement on an idle topic (%s): median %v, max %v", g.Kind(), median, took[len(took)-1])
	if median > 10*time.Millisecond {
		t.Errorf("the median commit takes %v, want less than 10 ms", median)
	}
}

func coreRebalance(t *testing.T) {
	g := newGround(t, 4)
	for p := range int32(4) {
		fill(t, g.Addrs(), g.topic, p, 0, 100)
	}
	first, second := newEngine(), newEngine()
	a := g.source(t)
	drained := make(chan error, 10)
	first.drain = func(c source.Claim) { drained <- commit(a, c, 100) }
	run(t, a, first)
	for range 400 {
		next(t, first.messages, "a message")
	}
	began := time.Now()
	stop := run(t, g.source(t), second)
	for range 2 {
		if err := next(t, drained, "the drain of a revoked claim"); err != nil {
			t.Errorf("the commit of a revoked claim: %v", err)
		}
		if claim := next(t, second.claims, "a claim of the second member"); claim.Start() != 100 {
			t.Errorf("%d starts at %d, want 100", claim.Partition(), claim.Start())
		}
	}
	t.Logf("two partitions moved in %v", time.Since(began))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for range 4 + 2 {
		next(t, first.claims, "a claim, first or back")
	}
	if len(first.ended) != 2 {
		t.Errorf("%d claims of the first member ended, want the 2 that moved", len(first.ended))
	}
}

func corePause(t *testing.T) {
	g := newGround(t, 2)
	e := newEngine()
	run(t, g.source(t), e)
	paused, other := next(t, e.claims, "a claim"), next(t, e.claims, "a claim")
	paused.Pause()
	g.settle(t, e, other.Partition())
	fill(t, g.Addrs(), g.topic, paused.Partition(), 0, 1)
	fill(t, g.Addrs(), g.topic, other.Partition(), 3, 1)
	if m := next(t, e.messages, "a message"); m.Position().Partition != other.Partition() {
		t.Errorf("%v came while paused", m.Position())
	}
	paused.Resume()
	next(t, e.messages, "a message after Resume")
}

func coreUnknownTopic(t *testing.T) {
	g := newGround(t, 1)
	src, err := kafka.NewSource(g.Addrs(), g.group, []string{g.topic, "no-such-topic"})
	if err != nil {
		t.Fatal(err)
	}
	if err := runAndFail(t, src); !contains(err, "no-such-topic") {
		t.Errorf("Run: %v", err)
	}
}

func corePublish(t *testing.T) {
	g := newGround(t, 3)
	p := newProducer(t, g.Addrs())
	e := newEngine()
	run(t, g.source(t), e)
	for i := range 30 {
		if err := p.Publish(t.Context(), g.topic, fmt.Append(nil, i), fmt.Append(nil, i), stage.Headers{{Key: "h", Value: []byte("1")}}); err != nil {
			t.Fatal(err)
		}
	}
	got := make(map[string]bool)
	for range 30 {
		m := next(t, e.messages, "a message")
		got[string(m.Value())] = true
		if v, ok := m.Headers().Get("h"); !ok || string(v) != "1" {
			t.Errorf("headers %v", m.Headers())
		}
	}
	if len(got) != 30 {
		t.Errorf("%d different records, want 30", len(got))
	}
}
