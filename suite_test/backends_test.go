package suite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/IBM/sarama"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vlab-research/burrow/internal/kafkatest"
	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/source/kafka"
	"github.com/vlab-research/burrow/source/memory"
	"github.com/vlab-research/burrow/stage"
)

// memoryBackend is a broker in memory.
type memoryBackend struct {
	*memory.Broker
	topics int
}

func newMemoryBackend() *memoryBackend { return &memoryBackend{Broker: memory.NewBroker()} }

func (b *memoryBackend) topic(partitions int) string {
	b.topics++
	name := fmt.Sprintf("topic-%d", b.topics)
	b.CreateTopic(name, partitions)
	return name
}

func (b *memoryBackend) produce(topic string, partition int32, msgs ...stage.Message) {
	b.ProduceTo(topic, partition, msgs...)
}

// member returns one that has fetched ahead when it is paused, as Sarama does: a window gets full then.
func (b *memoryBackend) member(topic string) source.Source {
	return b.Source(group, []string{topic}, memory.WithPrefetch(256))
}

func (b *memoryBackend) committed(topic string, partition int32) int64 {
	next, _ := b.Committed(group, topic, partition)
	return next
}

func (b *memoryBackend) hasCommit(topic string, partition int32) bool {
	_, ok := b.Committed(group, topic, partition)
	return ok
}

func (b *memoryBackend) end(topic string, partition int32) int64 {
	return b.EndOffset(topic, partition)
}

func (b *memoryBackend) hole(topic string, partition int32) { b.Skip(topic, partition, 1) }

// kafkaBackend is Kafka: a fake or a real one.
type kafkaBackend struct {
	*kafkatest.Broker
	group     string
	publisher *kafka.Producer
}

func newKafkaBackend(b *kafkatest.Broker) *kafkaBackend {
	return &kafkaBackend{Broker: b, group: kafkatest.Unique(group)}
}

func (b *kafkaBackend) topic(partitions int) string {
	return b.CreateTopic(GinkgoTB(), "suite", partitions)
}

func (b *kafkaBackend) produce(topic string, partition int32, msgs ...stage.Message) {
	records := make([]*kgo.Record, len(msgs))
	for i, m := range msgs {
		records[i] = &kgo.Record{Partition: partition, Key: m.Key(), Value: m.Value()}
	}
	b.Produce(GinkgoTB(), topic, records...)
}

func (b *kafkaBackend) member(topic string) source.Source {
	GinkgoHelper()
	src, err := kafka.NewSource(b.Addrs(), b.group, []string{topic}, kafka.WithLogger(specLog()), kafka.WithSarama(func(c *sarama.Config) {
		c.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond // to notice rebalances soon
	}))
	Expect(err).NotTo(HaveOccurred())
	return src
}

func (b *kafkaBackend) committed(topic string, partition int32) int64 {
	return b.Committed(GinkgoTB(), b.group)[topic][partition]
}

func (b *kafkaBackend) hasCommit(topic string, partition int32) bool {
	_, ok := b.Committed(GinkgoTB(), b.group)[topic][partition]
	return ok
}

func (b *kafkaBackend) end(topic string, partition int32) int64 {
	return b.EndOffsets(GinkgoTB(), topic)[partition]
}

// hole makes one by a transaction, whose end takes an offset.
func (b *kafkaBackend) hole(topic string, partition int32) {
	GinkgoHelper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...), kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID(fmt.Sprint(rand.Int64())))
	Expect(err).NotTo(HaveOccurred())
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	before := b.end(topic, partition)
	Expect(client.BeginTransaction()).To(Succeed())
	Expect(client.ProduceSync(ctx, &kgo.Record{Partition: partition, Value: []byte("in a transaction")}).FirstErr()).To(Succeed())
	Expect(client.EndTransaction(ctx, kgo.TryCommit)).To(Succeed())
	eventually("the transaction's marker", func() bool { return b.end(topic, partition) == before+2 })
}

func (b *kafkaBackend) Publish(ctx context.Context, topic string, key, value []byte, headers stage.Headers) error {
	if b.publisher == nil {
		p, err := kafka.NewProducer(b.Addrs())
		if err != nil {
			return err
		}
		b.publisher = p
		DeferCleanup(func() { _ = p.Close(context.Background()) })
	}
	return b.publisher.Publish(ctx, topic, key, value, headers)
}
