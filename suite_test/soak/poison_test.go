package soak_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/internal/kafkatest"
	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/source/kafka"
	"github.com/vlab-research/burrow/stage"
)

const (
	poisonPartitions = 8
	poisonKeys       = 10_000
	poisonWorkers    = 100
	// poisonWork, with that many workers, keeps a small machine, which is the broker too,
	// from being the limit: a failed try does the same work before it fails.
	poisonWork = 5 * time.Millisecond
)

var (
	errPoison    = errors.New("this message is poison")
	errTransient = errors.New("the dependency hiccups")
)

// TestPoisonCostsLittleAndLosesNothing is task soak:poison.
func TestPoisonCostsLittleAndLosesNothing(t *testing.T) {
	soak := newPoisonSoak(t, sized(200_000, 4_000))
	var speeds pairs
	for range sized(3, 1) {
		speeds.without = append(speeds.without, soak.run(t, false))
		speeds.with = append(speeds.with, soak.run(t, true))
	}
	speeds.judge(t, "1 % poison and 5 % transient", 0.90)
}

// poisonSoak is a topic that each arm consumes as a group of its own.
type poisonSoak struct {
	*kafkatest.Broker
	topic    string
	n        int // messages, over all partitions
	producer *kafka.Producer
}

func newPoisonSoak(t *testing.T, n int) *poisonSoak {
	t.Helper()
	b := kafkatest.Brokers(t)
	producer, err := kafka.NewProducer(b.Addrs())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = producer.Close(context.Background()) })
	s := &poisonSoak{Broker: b, topic: b.CreateTopic(t, "poison", poisonPartitions), n: n, producer: producer}
	for from := 0; from < n; from += 10_000 {
		var records []*kgo.Record
		for i := from; i < min(from+10_000, n); i++ {
			key := mix(uint64(i)) % poisonKeys
			records = append(records, &kgo.Record{
				Partition: int32(key % poisonPartitions), Key: fmt.Append(nil, "key-", key), Value: fmt.Append(nil, i, " ", strings.Repeat("x", 100)),
			})
		}
		b.Produce(t, s.topic, records...)
	}
	return s
}

// mix scatters numbers, the same way each time.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func isPoison(i int) bool    { return mix(uint64(i)+1<<40)%100 == 0 }
func isTransient(i int) bool { return !isPoison(i) && mix(uint64(i)+1<<41)%20 == 0 }

// poisonLedger counts what happened to each message.
type poisonLedger struct {
	failing  bool
	attempts []atomic.Int32
	worked   []atomic.Int32
	left     atomic.Int64
	began    atomic.Int64 // nanoseconds, of the first message
	ended    time.Time
	done     chan struct{}
}

func (l *poisonLedger) handle(_ context.Context, m stage.Message) (stage.Message, error) {
	l.began.CompareAndSwap(0, time.Now().UnixNano())
	i := numberOf(m.Value())
	attempt := l.attempts[i].Add(1)
	time.Sleep(poisonWork)
	switch {
	case l.failing && isPoison(i):
		return nil, retry.Permanent(errPoison)
	case l.failing && isTransient(i) && attempt == 1:
		return nil, errTransient
	}
	l.worked[i].Add(1)
	return m, nil
}

func numberOf(value []byte) (n int) {
	for _, digit := range value {
		if digit == ' ' {
			break
		}
		n = n*10 + int(digit-'0')
	}
	return n
}

// outermost counts what is resolved.
func (l *poisonLedger) outermost(next stage.Stage) stage.Stage {
	return stage.Func(func(ctx context.Context, m stage.Message) (stage.Message, error) {
		out, err := next.Process(ctx, m)
		if (err == nil || errors.Is(err, stage.Skip)) && l.left.Add(-1) == 0 {
			l.ended = time.Now()
			close(l.done)
		}
		return out, err
	})
}

// run consumes the topic once and returns the messages a second from the first to the last.
func (s *poisonSoak) run(t *testing.T, failing bool) float64 {
	t.Helper()
	dead, group := s.CreateTopic(t, "dead", poisonPartitions), kafkatest.Unique("soak")
	src, err := kafka.NewSource(s.Addrs(), group, []string{s.topic})
	if err != nil {
		t.Fatal(err)
	}
	l := &poisonLedger{
		failing: failing, attempts: make([]atomic.Int32, s.n), worked: make([]atomic.Int32, s.n), done: make(chan struct{}),
	}
	l.left.Store(int64(s.n))
	p, stop := start(t, burrow.New().From(src).WithWorkers(poisonWorkers).
		Use(l.outermost, middleware.DeadLetter(s.producer, dead)).
		Use(middleware.Retry(retry.Exponential{Base: 10 * time.Millisecond, Max: 100 * time.Millisecond}, 5)).
		Stage(stage.Named("work", stage.Func(l.handle))))
	await(t, "all messages resolved", p, l.done)
	stop()
	s.check(t, l, p.Stats(), dead)
	for partition, end := range s.EndOffsets(t, s.topic) {
		if got := s.Committed(t, group)[s.topic][partition]; got != end {
			t.Errorf("partition %d: committed %d of %d", partition, got, end)
		}
	}
	return float64(s.n) / l.ended.Sub(time.Unix(0, l.began.Load())).Seconds()
}

// check compares the ledger with the dead-letter topic: exactly one of both has each message.
func (s *poisonSoak) check(t *testing.T, l *poisonLedger, stats burrow.Stats, dead string) {
	t.Helper()
	letters := s.read(t, dead)
	transient := 0
	for i := range s.n {
		if got := int(l.worked[i].Load()) + letters[i]; got != 1 {
			t.Fatalf("message %d was processed %d and dead-lettered %d times", i, l.worked[i].Load(), letters[i])
		}
		if want := l.failing && isPoison(i); want != (letters[i] == 1) {
			t.Fatalf("message %d dead-lettered: %v", i, !want)
		}
		transient += int(l.attempts[i].Load()) - 1
	}
	t.Logf("failing %v: %d processed, %d dead-lettered, %d retried; %d letters in the topic",
		l.failing, stats.Processed, stats.DeadLettered, stats.Retried, len(letters))
	if int(stats.Retried) != transient || int(stats.DeadLettered) != len(letters) || stats.Failed != 0 || (l.failing && len(letters) == 0) {
		t.Errorf("the statistics differ: %+v", stats)
	}
}

// read returns how often each message is in the dead-letter topic.
func (s *poisonSoak) read(t *testing.T, dead string) map[int]int {
	t.Helper()
	letters, want := make(map[int]int), int64(0)
	for _, end := range s.EndOffsets(t, dead) {
		want += end
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(s.Addrs()...), kgo.ConsumeTopics(dead))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for read := int64(0); read < want; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("read the dead letters: %v", err)
		}
		for r := range fetches.RecordsAll() {
			letters[numberOf(r.Value)]++
			read++
		}
	}
	return letters
}
