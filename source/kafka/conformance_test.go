package kafka_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vlab-research/burrow/internal/kafkatest"
	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/source/kafka"
	"github.com/vlab-research/burrow/source/sourcetest"
	"github.com/vlab-research/burrow/stage"
)

func TestSourceConforms(t *testing.T) {
	t.Parallel()
	sourcetest.Exercise(t, func(t *testing.T) sourcetest.Cluster {
		t.Helper()
		c := &conformer{Broker: kafkatest.Brokers(t)}
		client, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		c.client, c.proxy = client, newProxy(t)
		return c
	})
}

// conformer lets the conformance suite use a Kafka.
type conformer struct {
	*kafkatest.Broker
	client *kgo.Client
	proxy  *proxy // between the sources and the brokers
}

func (c *conformer) CreateTopic(t testing.TB, name string, partitions int) {
	t.Helper()
	admin := kadm.NewClient(c.client)
	if _, err := admin.CreateTopic(t.Context(), int32(partitions), -1, nil, name); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the topic is served", func() bool {
		ends, err := admin.ListEndOffsets(t.Context(), name)
		return err == nil && ends.Error() == nil
	})
}

func (c *conformer) Produce(t testing.TB, topic string, partition int32, msgs ...stage.Message) {
	t.Helper()
	records := make([]*kgo.Record, len(msgs))
	for i, msg := range msgs {
		records[i] = &kgo.Record{Partition: partition, Key: msg.Key(), Value: msg.Value(), Timestamp: msg.Timestamp()}
		for _, h := range msg.Headers() {
			records[i].Headers = append(records[i].Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
	}
	c.Broker.Produce(t, topic, records...)
}

func (c *conformer) Source(t testing.TB, group string, topics []string) source.Source {
	t.Helper()
	src, err := kafka.NewSource(c.Addrs(), group, topics, kafka.WithSarama(quick), kafka.WithSarama(c.proxy.install))
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func (c *conformer) Committed(t testing.TB, group, topic string, partition int32) (int64, bool) {
	t.Helper()
	at, ok := c.Broker.Committed(t, group)[topic][partition]
	return at, ok
}

func (c *conformer) Abilities() sourcetest.Abilities {
	return sourcetest.Abilities{ProduceApart: c.produceApart, Expel: c.expel, Stall: c.stall}
}

func (c *conformer) stall(t testing.TB, _ string) {
	t.Helper()
	c.proxy.stall(true)
	t.Cleanup(func() { c.proxy.stall(false) })
}

func (c *conformer) expel(t testing.TB, group string, _ source.Source) {
	t.Helper()
	describe := kmsg.NewPtrDescribeGroupsRequest()
	describe.Groups = []string{group}
	described, err := describe.RequestWith(t.Context(), c.client)
	if err != nil {
		t.Fatal(err)
	}
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Group = group
	for _, m := range described.Groups[0].Members {
		who := kmsg.NewLeaveGroupRequestMember()
		who.MemberID = m.MemberID
		leave.Members = append(leave.Members, who)
	}
	if _, err := leave.RequestWith(t.Context(), c.client); err != nil {
		t.Fatal(err)
	}
}

// produceApart gives each message a transaction, whose marker takes an offset. A
// real broker writes it a little after it has said that the transaction is committed.
func (c *conformer) produceApart(t testing.TB, topic string, partition int32, msgs ...stage.Message) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, msg := range msgs {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		record := &kgo.Record{Topic: topic, Partition: partition, Key: msg.Key(), Value: msg.Value()}
		if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := client.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the transaction's marker", func() bool { return c.EndOffsets(t, topic)[partition] > record.Offset+1 })
	}
}
