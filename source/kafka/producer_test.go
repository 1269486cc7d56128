package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vlab-research/burrow/source/kafka"
	"github.com/vlab-research/burrow/stage"
)

func newProducer(t testing.TB, brokers []string, configure ...func(*sarama.Config)) *kafka.Producer {
	t.Helper()
	opts := []kafka.Option{kafka.WithSarama(func(c *sarama.Config) {
		c.Producer.Retry.Max, c.Producer.Retry.Backoff = 5, 20*time.Millisecond
		c.Metadata.Retry.Backoff = 50 * time.Millisecond
	})}
	for _, f := range configure {
		opts = append(opts, kafka.WithSarama(f))
	}
	p, err := kafka.NewProducer(brokers, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := p.Close(ctx); err != nil && !t.Failed() {
			t.Error(err)
		}
	})
	return p
}

// stored reads n records of a topic.
func stored(t testing.TB, brokers []string, topic string, n int) []*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var records []*kgo.Record
	for len(records) < n {
		fetches := client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatalf("%d of %d records: %v", len(records), n, err)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}

func TestAPublishedRecordIsStoredAsGiven(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "dlq"))
	p := newProducer(t, c.ListenAddrs())
	for _, r := range []struct{ key, value []byte }{{[]byte("k"), []byte("v")}, {nil, []byte("v")}, {[]byte{}, []byte{}}, {[]byte("k"), nil}} {
		headers := stage.Headers{{Key: "a", Value: []byte("1")}, {Key: "a", Value: nil}}
		if err := p.Publish(t.Context(), "dlq", r.key, r.value, headers); err != nil {
			t.Fatal(err)
		}
	}
	records := stored(t, c.ListenAddrs(), "dlq", 4)
	if len(records) != 4 || string(records[0].Key) != "k" || string(records[0].Value) != "v" || len(records[0].Headers) != 2 || records[0].Headers[0].Key != "a" {
		t.Errorf("stored %+v", records)
	}
	if records[1].Key != nil || records[2].Key == nil || records[3].Value != nil {
		t.Errorf("nil and empty: key %v, key %v, value %v", records[1].Key, records[2].Key, records[3].Value)
	}
}

func TestRecordsOfAKeyShareAPartition(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(8, "dlq"))
	p := newProducer(t, c.ListenAddrs())
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			if err := p.Publish(t.Context(), "dlq", fmt.Append(nil, i%10), nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	at := make(map[string]int32)
	used := make(map[int32]bool)
	for _, r := range stored(t, c.ListenAddrs(), "dlq", 200) {
		if p, ok := at[string(r.Key)]; ok && p != r.Partition {
			t.Errorf("key %s in %d and %d", r.Key, p, r.Partition)
		}
		at[string(r.Key)] = r.Partition
		used[r.Partition] = true
	}
	if len(used) < 2 {
		t.Error("all keys in one partition")
	}
}

func TestPublishReturnsAfterTheBrokersAnswer(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "dlq"))
	p := newProducer(t, c.ListenAddrs())
	arrived, release := make(chan struct{}), make(chan struct{})
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.DropControl()
		close(arrived)
		c.SleepControl(func() { <-release })
		return nil, nil, false
	})
	result := make(chan error, 1)
	go func() { result <- p.Publish(context.Background(), "dlq", nil, []byte("v"), nil) }()
	next(t, arrived, "the record at the broker")
	select {
	case err := <-result:
		t.Errorf("Publish returned %v before the broker answered", err)
	default:
	}
	close(release)
	if err := next(t, result, "the acknowledgement"); err != nil {
		t.Error(err)
	}
}

func TestPublishReturnsWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "dlq"))
	p := newProducer(t, c.ListenAddrs())
	arrived, release := make(chan struct{}), make(chan struct{})
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.DropControl()
		close(arrived)
		c.SleepControl(func() { <-release })
		return nil, nil, false
	})
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- p.Publish(ctx, "dlq", nil, []byte("v"), nil) }()
	next(t, arrived, "the record at the broker")
	cancel()
	if err := next(t, result, "Publish"); !errors.Is(err, context.Canceled) {
		t.Errorf("Publish: %v", err)
	}
	close(release)
	if err := p.Publish(t.Context(), "dlq", nil, []byte("w"), nil); err != nil {
		t.Errorf("the next record: %v", err)
	}
	if err := p.Publish(ctx, "dlq", nil, []byte("x"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Publish with an ended context: %v", err)
	}
}

func TestAFailedPublishSaysWhyAndWhetherToRetry(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault     *kerr.Error
		topic     string
		value     []byte
		retryable bool
		says      string
	}{
		"no such topic":        {topic: "dql", retryable: true, says: "create it"},
		"no right":             {fault: kerr.TopicAuthorizationFailed, says: "not authorized"},
		"too large for sarama": {value: bytes.Repeat([]byte("x"), 2<<20), says: "larger than"},
		"too large for Kafka":  {fault: kerr.MessageTooLarge, says: "too large"},
		"too few replicas":     {fault: kerr.NotEnoughReplicas, retryable: true, says: "replicas"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, kfake.SeedTopics(1, "dlq"), kfake.AllowAutoTopicCreation())
			p := newProducer(t, c.ListenAddrs(), func(c *sarama.Config) { c.Producer.Retry.Max = 1 })
			if test.fault != nil {
				c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "dlq", Err: test.fault, Count: -1})
			}
			topic := test.topic
			if topic == "" {
				topic = "dlq"
			}
			err := p.Publish(t.Context(), topic, nil, test.value, nil)
			failed, ok := errors.AsType[*kafka.PublishError](err)
			if !ok || failed.Topic != topic || failed.Retryable() != test.retryable || !strings.Contains(err.Error(), test.says) {
				t.Errorf("Publish: %v (retryable %v), want one that says %q (retryable %v)", err, ok && failed.Retryable(), test.says, test.retryable)
			}
		})
	}
}

func TestAPassingFaultIsRetriedAndStoredOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "dlq"))
	p := newProducer(t, c.ListenAddrs())
	// Stored, but answered with an error: the retry is a duplicate that the broker knows.
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "dlq", Err: kerr.NotEnoughReplicasAfterAppend})
	if err := p.Publish(t.Context(), "dlq", nil, []byte("v"), nil); err != nil {
		t.Fatal(err)
	}
	if end := c.PartitionInfo("dlq", 0).HighWatermark; end != 1 {
		t.Errorf("stored %d times", end)
	}
}

func TestAFencedProducerSaysSo(t *testing.T) {
	t.Parallel()
	err := error(&kafka.PublishError{Topic: "dlq", Err: sarama.ErrProducerFenced})
	if !contains(err, "fenced") || !errors.Is(err, sarama.ErrProducerFenced) {
		t.Errorf("%v", err)
	}
}

func TestCloseFlushesAndEndsTheProducer(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "dlq"))
	p := newProducer(t, c.ListenAddrs())
	arrived, release := make(chan struct{}), make(chan struct{})
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.DropControl()
		close(arrived)
		c.SleepControl(func() { <-release })
		return nil, nil, false
	})
	result := make(chan error, 1)
	go func() { result <- p.Publish(context.Background(), "dlq", nil, []byte("v"), nil) }()
	next(t, arrived, "the record at the broker")
	closed := make(chan error, 1)
	go func() { closed <- p.Close(context.Background()) }()
	close(release)
	if err := next(t, closed, "Close"); err != nil {
		t.Error(err)
	}
	if err := next(t, result, "Publish"); err != nil {
		t.Errorf("a record that was under way: %v", err)
	}
	if err := p.Publish(t.Context(), "dlq", nil, nil, nil); !errors.Is(err, kafka.ErrProducerClosed) {
		t.Errorf("Publish after Close: %v", err)
	}
}

func TestCloseEndsInTimeWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "dlq"))
	p := newProducer(t, c.ListenAddrs())
	arrived := make(chan struct{})
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		close(arrived)
		return nil, nil, true // never answered
	})
	result := make(chan error, 1)
	go func() { result <- p.Publish(context.Background(), "dlq", nil, []byte("v"), nil) }()
	next(t, arrived, "the record at the broker")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: %v", err)
	}
	if err := next(t, result, "Publish"); err == nil {
		t.Error("a record that nobody acknowledged was published")
	}
}

func TestTheProduceStageGivesTheMessageOnAfterPublishing(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "enriched"))
	p := newProducer(t, c.ListenAddrs())
	in := stage.New([]byte("k"), []byte("v"), stage.Headed("h", []byte("1")))
	out, err := kafka.Produce(p, "enriched").Process(t.Context(), in)
	if err != nil || out != in {
		t.Fatalf("Process: %v, %v", out, err)
	}
	r := stored(t, c.ListenAddrs(), "enriched", 1)[0]
	if string(r.Key) != "k" || string(r.Value) != "v" || len(r.Headers) != 1 {
		t.Errorf("stored %+v", r)
	}
	if out, err := kafka.Produce(p, "nowhere").Process(t.Context(), in); err == nil || out != nil {
		t.Errorf("Process to a topic that doesn't exist: %v, %v", out, err)
	}
}
