package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vlab-research/burrow/benchmarks/internal/load"
)

const (
	// maxMessageBytes lets a message of 1 MiB and its headers in.
	maxMessageBytes = 4 << 20
	// batchBytes is how large batches are, unless a message is larger: as of a producer that is tuned for throughput.
	// A batch larger than a fetch holds its partition up, because a broker gives one only as the first of a response.
	batchBytes = 100_000
	// overhead is more than what a message and a batch of it have besides the value.
	overhead = 1 << 10
)

// Create creates an empty topic and returns its name.
func (b *Broker) Create(ctx context.Context, t load.Topic) (string, error) {
	name := fmt.Sprintf("bench-%s-%s", t, rand.Text()[:6])
	size := strconv.Itoa(maxMessageBytes)
	if _, err := b.admin.CreateTopic(ctx, int32(t.Partitions), -1, map[string]*string{"max.message.bytes": &size}, name); err != nil {
		return "", fmt.Errorf("create topic %s: %w", name, err)
	}
	return name, b.awaitLeaders(ctx, name, t.Partitions)
}

func (b *Broker) awaitLeaders(ctx context.Context, topic string, partitions int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		ends, err := b.admin.ListEndOffsets(ctx, topic)
		if err == nil && ends.Error() == nil && len(ends[topic]) == partitions {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("topic %s isn't served: %w", topic, errors.Join(err, ends.Error()))
		case <-ticker.C:
		}
	}
}

// Delete deletes a topic.
func (b *Broker) Delete(ctx context.Context, topic string) error {
	_, err := b.admin.DeleteTopic(ctx, topic)
	return err
}

// Fill produces the messages of t, and checks that all are there. With rate above
// 0 it produces that many a second.
func (b *Broker) Fill(ctx context.Context, topic string, t load.Topic, rate int) error {
	var failed atomic.Pointer[error]
	note := func(_ *kgo.Record, err error) {
		if err != nil {
			failed.Store(&err)
		}
	}
	producer, err := b.newProducer(max(batchBytes, t.Bytes+overhead))
	if err != nil {
		return err
	}
	defer producer.Close()
	value, began := t.Values(), time.Now()
	for i, id := range t.KeyIDs() {
		if rate > 0 {
			if err := waitUntil(ctx, began.Add(time.Duration(i)*time.Second/time.Duration(rate))); err != nil {
				return err
			}
		}
		producer.Produce(ctx, &kgo.Record{Topic: topic, Partition: t.Partition(id), Key: load.Key(id), Value: value()}, note)
	}
	if err := producer.Flush(ctx); err != nil {
		return err
	}
	if err := failed.Load(); err != nil {
		return fmt.Errorf("fill %s: %w", topic, *err)
	}
	return b.checkEnds(ctx, topic, t.Totals())
}

func (b *Broker) newProducer(batch int) (*kgo.Client, error) {
	return b.newClient(kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(int32(batch)), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.MaxBufferedRecords(500_000), kgo.MaxBufferedBytes(256<<20))
}

func (b *Broker) checkEnds(ctx context.Context, topic string, totals []int64) error {
	ends, err := b.admin.ListEndOffsets(ctx, topic)
	if err := errors.Join(err, ends.Error()); err != nil {
		return err
	}
	for i, total := range totals {
		if end, _ := ends.Lookup(topic, int32(i)); end.Offset != total {
			return fmt.Errorf("%s/%d has %d messages instead of %d", topic, i, end.Offset, total)
		}
	}
	return nil
}

// Committed returns what the group has committed, by partition; 0 where nothing.
func (b *Broker) Committed(ctx context.Context, group, topic string, partitions int) ([]int64, error) {
	responses, err := b.admin.FetchOffsets(ctx, group)
	if err != nil {
		return nil, err
	}
	committed := make([]int64, partitions)
	responses.Each(func(o kadm.OffsetResponse) {
		if o.Topic == topic && o.Err == nil {
			committed[o.Partition] = max(o.At, 0)
		}
	})
	return committed, nil
}

// waitUntil returns at the moment, or with the cause of ctx's end.
func waitUntil(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
