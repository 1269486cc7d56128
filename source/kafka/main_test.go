package kafka_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/vlab-research/burrow/internal/kafkatest"
	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/source/kafka"
	"github.com/vlab-research/burrow/stage"
)

// saramaLines is what sarama logged in all tests.
var saramaLines *logs

func TestMain(m *testing.M) {
	log, kept := newLogger()
	kafka.LogSarama(log)
	saramaLines = kept
	waitTogether()
	goleak.VerifyTestMain(kafkatest.Main(m), goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"))
}

// waitTogether lets more tests run at once than there are processors, because they
// mostly wait, unless -parallel says how many.
func waitTogether() {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("6")
	}
}

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// newCluster is a broker in the process, whose faults the test makes, whatever
// BURROW_TEST_KAFKA says.
func newCluster(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{
		kfake.NumBrokers(1),
		kfake.GroupMinSessionTimeout(100 * time.Millisecond),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// quick makes sarama's group notice things sooner.
func quick(c *sarama.Config) {
	c.Consumer.Group.Heartbeat.Interval = 100 * time.Millisecond
	c.Consumer.Group.Rebalance.Retry.Backoff = 100 * time.Millisecond
	c.Consumer.Retry.Backoff = 100 * time.Millisecond
	c.Metadata.Retry.Backoff = 50 * time.Millisecond
}

func newSource(t testing.TB, brokers []string, topic string, opts ...kafka.Option) *kafka.Source {
	t.Helper()
	src, err := kafka.NewSource(brokers, "g", []string{topic}, append([]kafka.Option{kafka.WithSarama(quick)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// fill appends n records to a partition, with the values first, first+1, ….
func fill(t testing.TB, brokers []string, topic string, partition int32, first, n int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	records := make([]*kgo.Record, n)
	for i := range records {
		value := fmt.Append(nil, first+i)
		records[i] = &kgo.Record{Topic: topic, Partition: partition, Key: value, Value: value}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// engine is a handler that shows what it is given.
type engine struct {
	claims   chan source.Claim
	messages chan stage.Message
	assigned chan int
	ended    chan source.Claim
	// drain is called when a claim is closed, before Serve returns.
	drain func(source.Claim)
	// leave makes Serve return of its own accord.
	leave chan struct{}
}

func newEngine() *engine {
	return &engine{
		claims: make(chan source.Claim, 1000), messages: make(chan stage.Message, 100_000),
		assigned: make(chan int, 1000), ended: make(chan source.Claim, 1000), drain: func(source.Claim) {},
		leave: make(chan struct{}),
	}
}

func (e *engine) Assigned(n int) { e.assigned <- n }

// wantJoins looks how often the group was joined.
func (e *engine) wantJoins(t *testing.T, want int) {
	t.Helper()
	if n := len(e.assigned); n != want {
		t.Errorf("joined %d times, want %d", n, want)
	}
}

func (e *engine) Serve(c source.Claim) {
	e.claims <- c
	for {
		m, err := source.Next(c, e.leave)
		if err != nil {
			break
		}
		e.messages <- m
	}
	e.drain(c)
	e.ended <- c
}

// run runs the source until the test ends or stop is called.
func run(t testing.TB, src *kafka.Source, h source.Handler) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- src.Run(ctx, h) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return next(t, result, "the end of Run")
	})
	t.Cleanup(func() {
		if err := stop(); err != nil && !t.Failed() {
			t.Errorf("Run: %v", err)
		}
	})
	return stop
}

// runAndFail returns what Run returns of its own accord.
func runAndFail(t testing.TB, src *kafka.Source) error {
	t.Helper()
	result := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { result <- src.Run(ctx, newEngine()) }()
	err := next(t, result, "Run to fail")
	if err == nil {
		t.Fatal("Run returned nil")
	}
	return err
}

func next[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("no sign of %s after %v", what, patience)
		panic("unreachable")
	}
}

// eventually waits for what has no channel to tell it.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !f() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

// logs is a logger that keeps its lines.
type logs struct {
	mu    sync.Mutex
	lines []string
}

func newLogger() (*logrus.Logger, *logs) {
	l, kept := logrus.New(), new(logs)
	l.SetLevel(logrus.DebugLevel)
	l.SetOutput(kept)
	return l, kept
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

func (l *logs) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprint(l.lines)
}

// commit stores one offset and returns its verdict.
func commit(src *kafka.Source, c source.Claim, at int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	verdicts := src.Commit(ctx, []source.Commit{{Claim: c, Next: at}})
	if len(verdicts) != 1 {
		return errors.New("not one verdict")
	}
	return verdicts[0]
}

// commitAndLeave runs the only member of a group until it has committed at.
func commitAndLeave(t testing.TB, src *kafka.Source, at int64) {
	t.Helper()
	e := newEngine()
	stop := run(t, src, e)
	if err := commit(src, next(t, e.claims, "the claim"), at); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func committed(c *kfake.Cluster, topic string, partition int32) int64 {
	info := c.GroupInfo("g")
	if info == nil {
		return -1
	}
	at, ok := info.Commits[topic][partition]
	if !ok {
		return -1
	}
	return at.Offset
}
