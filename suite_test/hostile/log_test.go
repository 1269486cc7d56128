package hostile_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/internal/kafkatest"
	"github.com/vlab-research/burrow/source/kafka"
	"github.com/vlab-research/burrow/stage"
)

var readCommitted = kafka.WithSarama(func(c *sarama.Config) { c.Consumer.IsolationLevel = sarama.ReadCommitted })

// transact stores records in a transaction each batch, and aborts three of ten.
func (g *ground) transact(t *testing.T, batches, each int) (committed, aborted []int64) {
	t.Helper()
	client := g.Client(t, kgo.DefaultProduceTopic(g.topic),
		kgo.TransactionalID(kafkatest.Unique("tx")))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i := range batches {
		abort := i%10 == 1 || i%10 == 4 || i%10 == 7
		records := make([]*kgo.Record, each)
		for j := range records {
			records[j] = &kgo.Record{Value: fmt.Append(nil, i, " ", j)}
		}
		produced := client.BeginTransaction()
		if produced == nil {
			produced = client.ProduceSync(ctx, records...).FirstErr()
		}
		if err := errors.Join(produced, client.EndTransaction(ctx, kgo.TransactionEndTry(!abort))); err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if abort {
				aborted = append(aborted, r.Offset)
			} else {
				committed = append(committed, r.Offset)
			}
		}
	}
	return committed, aborted
}

// A marker takes an offset that nobody is given. At the end of a log the commit stays one
// short of it, so that tools show a lag of one.
func TestAbortedRecordsAndMarkersHoldNoCommit(t *testing.T) {
	t.Parallel()
	g := newGround(t, kafkatest.Brokers(t), 1)
	committed, aborted := g.transact(t, 30, 5)
	r := g.start(t, nil, readCommitted)
	last := committed[len(committed)-1]
	g.committed(t, 0, last+1)
	if got := g.offsets(0); !slices.Equal(got, committed) {
		t.Errorf("processed %v, want %v without the aborted %v", got, committed, aborted)
	}
	if end := g.EndOffsets(t, g.topic)[0]; end != last+2 {
		t.Errorf("the log ends at %d, want a marker behind %d", end, last)
	}
	g.fill(t, 1, 1)
	eventually(t, "the message behind the marker", func() bool { n, _ := g.counts(); return n == len(committed)+1 })
	r.stop(t)
	if next, end := g.next(t, 0), g.EndOffsets(t, g.topic)[0]; next != end {
		t.Errorf("committed %d, the log ends at %d", next, end)
	}
	g.wantOnce(t, len(committed)+1)
}

// A log that ends with aborted records and their marker is no stall, and a restart there isn't one either.
func TestALogThatEndsWithAbortedRecordsIsNoStall(t *testing.T) {
	t.Parallel()
	g := newGround(t, kafkatest.Brokers(t), 1)
	committed, _ := g.transact(t, 8, 3) // the last transaction aborts
	for range 2 {
		r := g.start(t, func(b burrow.Builder) burrow.Builder { return b.WithStallTimeout(100 * time.Millisecond) }, readCommitted)
		eventually(t, "all that is committed", func() bool { n, _ := g.counts(); return n == len(committed) })
		g.committed(t, 0, committed[len(committed)-1]+1)
		eventually(t, "Health", func() bool { return r.Health() == nil })
		r.stop(t)
	}
	g.wantOnce(t, len(committed))
}

// The holes are made by the broker's own compaction.
func TestTheHolesOfCompactionHoldNoCommit(t *testing.T) {
	t.Parallel()
	const n, keys = 1000, 10
	g := newGround(t, kafkatest.Brokers(t), 1, map[string]string{
		"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.001", "max.compaction.lag.ms": "100",
	})
	for i := 0; i < n; i += keys {
		var records []*kgo.Record
		for j := range keys {
			key := fmt.Append(nil, j)
			if j == 0 && i%(5*keys) == 0 { // it stays, between those that go
				key = fmt.Append(nil, "kept ", i)
			}
			records = append(records, &kgo.Record{Key: key, Value: fmt.Append(nil, i+j)})
		}
		g.Produce(t, g.topic, records...)
	}
	left := g.compact(t, n)
	r := g.start(t, nil)
	g.committed(t, 0, g.EndOffsets(t, g.topic)[0])
	r.stop(t)
	got, still := g.offsets(0), g.read(t) // a real broker goes on meanwhile
	if !contains(left, got) || !contains(got, still) {
		t.Errorf("processed %v, want what the compaction left: at most %v, at least %v", got, left, still)
	}
	g.wantOnce(t, len(got))
	if holes := int(got[len(got)-1]-got[0]) + 1 - len(got); holes < n/4 {
		t.Errorf("%d holes in %v", holes, got)
	}
	t.Logf("%d of %d records left", len(left), n)
}

func contains(all, some []int64) bool {
	return !slices.ContainsFunc(some, func(offset int64) bool { return !slices.Contains(all, offset) })
}

// compact waits until most records are gone, and returns the offsets of the others.
func (g *ground) compact(t *testing.T, n int) (left []int64) {
	t.Helper()
	for deadline := time.Now().Add(2 * patience); ; {
		if g.Fake() != nil {
			g.Fake().Compact()
		} else { // a segment is closed by the record behind it
			g.Produce(t, g.topic, &kgo.Record{Key: []byte("0"), Value: []byte("roll")})
		}
		left = g.read(t)
		if len(left) < n/2 {
			return left
		}
		if time.Now().After(deadline) {
			t.Fatalf("no compaction: %d of %d records left", len(left), n)
		}
		time.Sleep(200 * time.Millisecond) // the broker's cleaner runs now and then
	}
}

// read returns the offsets that a plain consumer finds in partition 0.
func (g *ground) read(t *testing.T) (offsets []int64) {
	t.Helper()
	end := g.EndOffsets(t, g.topic)[0]
	client := g.Client(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{g.topic: {0: kgo.NewOffset().AtStart()}}))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for len(offsets) == 0 || offsets[len(offsets)-1] < end-1 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) { offsets = append(offsets, r.Offset) })
	}
	return offsets
}

// One record of ten megabytes passes a window of one.
func TestAMessageLargerThanTheWindowGetsInAlone(t *testing.T) {
	t.Parallel()
	const huge, window = 10 << 20, 1 << 20
	g := newGround(t, kafkatest.Brokers(t), 1, map[string]string{"max.message.bytes": "16000000"})
	producer := g.Client(t, kgo.DefaultProduceTopic(g.topic), kgo.ProducerBatchMaxBytes(12<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
	for i := range 40 {
		value := []byte("small")
		if i%8 == 3 {
			value = []byte(strings.Repeat("x", huge))
		}
		if err := producer.ProduceSync(t.Context(), &kgo.Record{Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	var inside, most atomic.Int64
	var r *run
	started := make(chan struct{})
	// It stays until the next message is there and was not let in, or was; or for as long as that may
	// take, for the source may have been paused before it came.
	stay := func(ctx context.Context, m stage.Message) (stage.Message, error) {
		if len(m.Value()) < huge {
			return m, nil
		}
		most.Store(max(most.Load(), inside.Add(1)))
		defer inside.Add(-1)
		<-started
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		enough := time.After(3 * time.Second)
		for most.Load() == 1 && r.Stats().Partitions[0].Held == 0 {
			select {
			case <-tick.C:
			case <-enough:
				return m, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return m, nil
	}
	r = g.start(t, func(b burrow.Builder) burrow.Builder {
		return b.WithMaxInFlightBytes(window).WithOrdering(burrow.Unordered).Stage(stage.Func(stay))
	})
	close(started)
	g.committed(t, 0, 40)
	r.stop(t)
	g.wantOnce(t, 40)
	if most.Load() != 1 {
		t.Errorf("%d huge messages at once in a window of a tenth of one", most.Load())
	}
}

func TestAddedPartitionsAreConsumedFromTheirBeginning(t *testing.T) {
	t.Parallel()
	g := newGround(t, kafkatest.Brokers(t), 2)
	g.fill(t, 2, 50)
	r := g.start(t, nil)
	g.committed(t, 0, 50)
	if _, err := g.admin(t).CreatePartitions(t.Context(), 2, g.topic); err != nil {
		t.Fatal(err)
	}
	// Before anybody of the group has heard of them.
	admin := g.admin(t)
	eventually(t, "the partitions are there", func() bool {
		ends, err := admin.ListEndOffsets(t.Context(), g.topic)
		return err == nil && ends.Error() == nil && len(ends[g.topic]) == 4
	})
	g.produceEach(t, 4, 50)
	for p, want := range []int64{100, 100, 50, 50} {
		g.committed(t, int32(p), want)
	}
	r.stop(t)
	g.wantOnce(t, 300)
}

// produceEach appends n records to each partition, with a client that has just come.
func (g *ground) produceEach(t *testing.T, partitions, n int) {
	t.Helper()
	client := g.Client(t, kgo.DefaultProduceTopic(g.topic))
	for i := range n * partitions {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Partition: int32(i % partitions), Value: fmt.Append(nil, i)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}
