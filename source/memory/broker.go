package memory

import (
	"context"
	"fmt"
	"hash/fnv"
	"sync"

	"github.com/vlab-research/burrow/stage"
)

// Broker holds topics and consumer groups in memory. It has no goroutine and needs
// no closing. Its methods are safe for concurrent use; those that take a topic
// and a partition panic, saying what is missing, when these don't exist.
type Broker struct {
	mu     sync.Mutex // may be held while a partition's lock is taken, never the other way round
	topics map[string]*topic
	groups map[string]*group
}

type topic struct {
	partitions []*partition
	turn       int // whose turn it is for a message without a key; guarded by the broker's lock
}

// NewBroker makes a broker without topics. For a test with testing/synctest, make
// it inside the bubble.
func NewBroker() *Broker {
	return &Broker{topics: make(map[string]*topic), groups: make(map[string]*group)}
}

// CreateTopic adds a topic with empty partitions, numbered from 0. It panics when there is
// one of that name, or when partitions is less than 1.
func (b *Broker) CreateTopic(name string, partitions int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.topics[name] != nil {
		panic(fmt.Sprintf("memory: topic %q exists already", name))
	}
	if partitions < 1 {
		panic(fmt.Sprintf("memory: topic %q needs at least one partition, not %d", name, partitions))
	}
	t := &topic{}
	for i := range partitions {
		t.partitions = append(t.partitions, newPartition(name, int32(i)))
	}
	b.topics[name] = t
}

// Produce appends copies of the messages to the topic and returns where each was
// stored. The key decides the partition, by the hash that Sarama's producer
// uses; messages with a nil key go round. A zero timestamp becomes the present time; a
// payload is not stored.
func (b *Broker) Produce(topic string, msgs ...stage.Message) []stage.Position {
	t := b.topic(topic)
	positions := make([]stage.Position, 0, len(msgs))
	for _, msg := range msgs {
		positions = append(positions, b.place(t, msg.Key()).add(msg)...)
	}
	return positions
}

// ProduceTo appends copies of the messages to one partition. See [Broker.Produce].
func (b *Broker) ProduceTo(topic string, partition int32, msgs ...stage.Message) []stage.Position {
	return b.partition(topic, partition).add(msgs...)
}

// Publish appends one message and returns nil, so that a broker takes dead letters.
// It returns an error when there is no such topic or ctx has ended.
func (b *Broker) Publish(ctx context.Context, topic string, key, value []byte, headers stage.Headers) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memory: publish to %q: %w", topic, err)
	}
	t, ok := b.find(topic)
	if !ok {
		return fmt.Errorf("memory: publish: there is no topic %q", topic)
	}
	b.place(t, key).add(stage.WithHeaders(stage.New(key, value), headers))
	return nil
}

// Skip leaves n offsets of the partition without a message, as compaction and
// transaction markers do.
func (b *Broker) Skip(topic string, partition int32, n int64) {
	b.partition(topic, partition).skip(max(0, n))
}

// Trim removes the messages before an offset, as retention does, and frees their
// memory. A claim that had not read them goes on behind them.
func (b *Broker) Trim(topic string, partition int32, before int64) {
	b.partition(topic, partition).trim(before)
}

// Messages returns what the partition holds, in order.
func (b *Broker) Messages(topic string, partition int32) []stage.Message {
	return b.partition(topic, partition).messages()
}

// EndOffset returns the offset that the partition's next message will have.
func (b *Broker) EndOffset(topic string, partition int32) int64 {
	return b.partition(topic, partition).endOffset()
}

// place chooses the partition for a key.
func (b *Broker) place(t *topic, key []byte) *partition {
	n := len(t.partitions)
	if key == nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		t.turn++
		return t.partitions[(t.turn-1)%n]
	}
	hash := fnv.New32a()
	hash.Write(key)
	index := int32(hash.Sum32()) % int32(n)
	return t.partitions[max(index, -index)]
}

func (b *Broker) find(name string) (*topic, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t, ok := b.topics[name]
	return t, ok
}

func (b *Broker) topic(name string) *topic {
	t, ok := b.find(name)
	if !ok {
		panic(fmt.Sprintf("memory: there is no topic %q; call CreateTopic first", name))
	}
	return t
}

func (b *Broker) partition(name string, index int32) *partition {
	t := b.topic(name)
	if index < 0 || int(index) >= len(t.partitions) {
		panic(fmt.Sprintf("memory: topic %q has %d partitions, there is no %d", name, len(t.partitions), index))
	}
	return t.partitions[index]
}

// group returns the group of that name; there always is one.
func (b *Broker) group(name string) *group {
	g := b.groups[name]
	if g == nil {
		g = &group{name: name, broker: b, stored: make(chan struct{})}
		b.groups[name] = g
	}
	return g
}
