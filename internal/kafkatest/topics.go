package kafkatest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	callTimeout = 30 * time.Second
	pollEvery   = 20 * time.Millisecond
)

// Unique returns the prefix with something behind it that no other call returns,
// for the name of a group or a topic.
func Unique(prefix string) string { return prefix + "-" + rand.Text()[:10] }

// CreateTopic creates a topic of a unique name and returns the name once every
// broker serves it. It is deleted when the test ends. Configs are topic settings such as "cleanup.policy".
func (b *Broker) CreateTopic(t testing.TB, prefix string, partitions int, configs ...map[string]string) string {
	t.Helper()
	ctx, cancel := deadline(t)
	defer cancel()
	topic := Unique(prefix)
	settings := map[string]*string{}
	for _, config := range configs {
		for key, value := range config {
			settings[key] = &value
		}
	}
	if _, err := b.admin.CreateTopic(ctx, int32(partitions), -1, settings, topic); err != nil {
		t.Fatalf("kafkatest: create topic %s: %v", topic, err)
	}
	t.Cleanup(func() { b.deleteTopic(t, topic) })
	if err := b.awaitTopic(ctx, topic, partitions); err != nil {
		t.Fatalf("kafkatest: topic %s isn't served: %v", topic, err)
	}
	return topic
}

func (b *Broker) deleteTopic(t testing.TB, topic string) {
	t.Helper()
	if b.kind == Fake {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	if _, err := b.admin.DeleteTopic(ctx, topic); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Logf("kafkatest: delete topic %s: %v", topic, err)
	}
}

// awaitTopic waits until each broker has heard of the topic and each leader answers.
func (b *Broker) awaitTopic(ctx context.Context, topic string, partitions int) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		err := b.servesTopic(ctx, topic, partitions)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-ticker.C:
		}
	}
}

func (b *Broker) servesTopic(ctx context.Context, topic string, partitions int) error {
	for _, broker := range b.client.DiscoveredBrokers() {
		req := kmsg.NewPtrMetadataRequest()
		req.Topics = []kmsg.MetadataRequestTopic{{Topic: &topic}}
		resp, err := req.RequestWith(ctx, broker)
		if err != nil {
			return err
		}
		if err := kerr.ErrorForCode(resp.Topics[0].ErrorCode); err != nil {
			return err
		}
		if known := len(resp.Topics[0].Partitions); known != partitions {
			return fmt.Errorf("a broker knows %d of its %d partitions", known, partitions)
		}
	}
	ends, err := b.admin.ListEndOffsets(ctx, topic)
	return errors.Join(err, ends.Error())
}

// Produce stores the records in the topic, each in the partition that it names
// (0 by default), and returns when all are acknowledged. It sets their Topic and Offset.
func (b *Broker) Produce(t testing.TB, topic string, records ...*kgo.Record) {
	t.Helper()
	ctx, cancel := deadline(t)
	defer cancel()
	for _, record := range records {
		record.Topic = topic
	}
	if err := b.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatalf("kafkatest: produce to %s: %v", topic, err)
	}
}

// Committed returns what the group has committed, by topic and partition: the
// offset from which a new member would read. Partitions without a commit are missing.
func (b *Broker) Committed(t testing.TB, group string) map[string]map[int32]int64 {
	t.Helper()
	ctx, cancel := deadline(t)
	defer cancel()
	responses, err := b.admin.FetchOffsets(ctx, group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		t.Fatalf("kafkatest: committed offsets of %s: %v", group, err)
	}
	committed := map[string]map[int32]int64{}
	for _, response := range responses.Sorted() {
		if response.Err != nil {
			t.Fatalf("kafkatest: committed offset of %s in %s/%d: %v", group, response.Topic, response.Partition, response.Err)
		}
		if response.At < 0 {
			continue
		}
		if committed[response.Topic] == nil {
			committed[response.Topic] = map[int32]int64{}
		}
		committed[response.Topic][response.Partition] = response.At
	}
	return committed
}

// EndOffsets returns the offset behind the last record of each partition.
func (b *Broker) EndOffsets(t testing.TB, topic string) map[int32]int64 {
	t.Helper()
	ctx, cancel := deadline(t)
	defer cancel()
	listed, err := b.admin.ListEndOffsets(ctx, topic)
	if err := errors.Join(err, listed.Error()); err != nil {
		t.Fatalf("kafkatest: end offsets of %s: %v", topic, err)
	}
	ends := map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
	return ends
}

func deadline(t testing.TB) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), callTimeout)
}
