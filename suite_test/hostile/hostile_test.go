// Package hostile_test gives pipelines what they should never meet: records that no
// serializer would write, dead-letter topics that take nothing, brokers that forget, refuse
// and delete. Whatever comes, nothing is lost, nothing hangs, and no log line, span or
// metric holds a payload, a key, a header or a password.
//
// What only a fake of Kafka can do is done on the fake; the rest runs on the Kafka that
// BURROW_TEST_KAFKA asks for.
package hostile_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel"
	"go.uber.org/goleak"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/internal/kafkatest"
	"github.com/vlab-research/burrow/source/kafka"
	"github.com/vlab-research/burrow/stage"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("6") // they mostly wait
	}
	saramaLines = newTelling()
	kafka.LogSarama(saramaLines.logger())
	// OpenTelemetry's baggage propagator quotes what it can't read; that is told to nobody but this handler.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	goleak.VerifyTestMain(kafkatest.Main(m),
		goleak.IgnoreAnyFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"))
}

// saramaLines is what Sarama logged in all tests.
var saramaLines *telling

// patience is how long a test waits for what must come.
const patience = 2 * time.Minute

// quick makes Sarama's group notice things sooner.
func quick(c *sarama.Config) {
	c.Consumer.Group.Heartbeat.Interval = 100 * time.Millisecond
	c.Consumer.Group.Rebalance.Retry.Backoff = 100 * time.Millisecond
	c.Consumer.Retry.Backoff = 100 * time.Millisecond
	c.Metadata.Retry.Backoff = 50 * time.Millisecond
	c.Metadata.RefreshFrequency = time.Second
}

// ground is a topic with a group of its own, what its members processed, and what they told.
type ground struct {
	*kafkatest.Broker
	topic, group string
	told         *telling

	mu   sync.Mutex
	seen map[stage.Position]int
	last map[int32]int64 // the last offset processed of each partition
	back int             // how often an offset came behind a higher one
}

func newGround(t *testing.T, b *kafkatest.Broker, partitions int, configs ...map[string]string) *ground {
	t.Helper()
	g := &ground{
		Broker: b, group: kafkatest.Unique("hostile"), told: newTelling(),
		seen: make(map[stage.Position]int), last: make(map[int32]int64),
	}
	if partitions > 0 {
		g.topic = b.CreateTopic(t, "orders", partitions, configs...)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(g.told.text())
		}
	})
	return g
}

// note is a stage that writes down what it is given.
func (g *ground) note(_ context.Context, m stage.Message) (stage.Message, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := m.Position()
	if last, ok := g.last[p.Partition]; ok && p.Offset < last {
		g.back++
	}
	g.last[p.Partition] = p.Offset
	g.seen[p]++
	return m, nil
}

// counts returns how many messages were processed, and how many of them more than once.
func (g *ground) counts() (processed, repeated int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, n := range g.seen {
		if n > 1 {
			repeated++
		}
	}
	return len(g.seen), repeated
}

// offsets returns the offsets processed of a partition, sorted.
func (g *ground) offsets(partition int32) (list []int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for p := range g.seen {
		if p.Partition == partition {
			list = append(list, p.Offset)
		}
	}
	slices.Sort(list)
	return list
}

// next is the group's committed offset of a partition, -1 without one.
func (g *ground) next(t *testing.T, partition int32) int64 {
	t.Helper()
	if at, ok := g.Committed(t, g.group)[g.topic][partition]; ok {
		return at
	}
	return -1
}

func (g *ground) admin(t *testing.T) *kadm.Client {
	t.Helper()
	return kadm.NewClient(g.Client(t))
}

// fill appends n records without keys to each partition.
func (g *ground) fill(t *testing.T, partitions, n int) {
	t.Helper()
	records := make([]*kgo.Record, n*partitions)
	for i := range records {
		records[i] = &kgo.Record{Partition: int32(i % partitions), Value: fmt.Append(nil, i)}
	}
	g.Produce(t, g.topic, records...)
}

// run is a pipeline at work.
type run struct {
	*burrow.Pipeline
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

func (g *ground) source(t *testing.T, opts ...kafka.Option) *kafka.Source {
	t.Helper()
	opts = slices.Concat([]kafka.Option{kafka.WithSarama(quick), kafka.WithLogger(g.told.logger())}, opts)
	src, err := kafka.NewSource(g.Addrs(), g.group, []string{g.topic}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// start runs a pipeline, with the ground's note as its last stage.
func (g *ground) start(t *testing.T, build func(burrow.Builder) burrow.Builder, opts ...kafka.Option) *run {
	t.Helper()
	b := burrow.New().From(g.source(t, opts...)).WithLogger(g.told.logger()).WithMeterProvider(g.told.meters).
		WithCommitInterval(50 * time.Millisecond)
	if build != nil {
		b = build(b)
	}
	p, err := b.Stage(stage.Named("note", stage.Func(g.note))).Build()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &run{Pipeline: p, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = p.Run(ctx)
	}()
	t.Cleanup(func() { r.cancel(); <-r.done })
	return r
}

// stop ends the run as SIGTERM would.
func (r *run) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	if err := r.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func (r *run) wait(t *testing.T) error {
	t.Helper()
	select {
	case <-r.done:
		return r.err
	case <-time.After(2 * patience):
		t.Fatalf("Run did not return: health %v, %+v", r.Health(), r.Stats())
		return nil
	}
}

// eventually waits for what has no channel to tell it.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// committed waits until the group has committed so far.
func (g *ground) committed(t *testing.T, partition int32, next int64) {
	t.Helper()
	eventually(t, fmt.Sprintf("a commit of %d in partition %d (it is %d)", next, partition, g.next(t, partition)), func() bool {
		return g.next(t, partition) == next
	})
}

// wantOnce checks that each of so many messages was processed, and once.
func (g *ground) wantOnce(t *testing.T, n int) {
	t.Helper()
	if processed, repeated := g.counts(); processed != n || repeated != 0 {
		t.Errorf("%d messages processed of %d, %d more than once", processed, n, repeated)
	}
}
