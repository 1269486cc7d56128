package kafka_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vlab-research/burrow/internal/kafkatest"
	"github.com/vlab-research/burrow/internal/kraft"
	"github.com/vlab-research/burrow/source/kafka"
	"github.com/vlab-research/burrow/stage"
)

// The tests of this file kill real brokers, so each has a cluster of its own. They
// aren't parallel: a broker takes half a gigabyte.

// field is a topic of a cluster, with somebody who fills it and a worker who reads it.
type field struct {
	cluster *kraft.Cluster
	admin   *kadm.Client
	client  *kgo.Client
	seen    *ledger
	worker  *worker
	sent    int
}

const fieldGroup, fieldPartitions = "g", 4

func newField(t *testing.T, brokers int) *field {
	t.Helper()
	f := &field{cluster: kafkatest.Own(t, kraft.Options{Brokers: brokers}), seen: &ledger{times: make(map[stage.Position]int)}}
	client, err := kgo.NewClient(kgo.SeedBrokers(f.cluster.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	f.client, f.admin = client, kadm.NewClient(client)
	if _, err := f.admin.CreateTopic(t.Context(), fieldPartitions, int16(brokers), nil, "orders"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "every broker knows the topic", f.isKnown)
	log, said := newLogger()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(said.text())
		}
	})
	f.worker = newWorker(newSource(t, f.cluster.Addrs(), "orders", kafka.WithLogger(log)), f.seen)
	return f
}

func (f *field) isKnown() bool {
	for _, broker := range f.client.DiscoveredBrokers() {
		req, name := kmsg.NewPtrMetadataRequest(), "orders"
		req.Topics = []kmsg.MetadataRequestTopic{{Topic: &name}}
		resp, err := req.RequestWith(context.Background(), broker)
		if err != nil || len(resp.Topics[0].Partitions) != fieldPartitions {
			return false
		}
	}
	return true
}

// send appends n records to each partition and waits for the worker to have them
// received and committed.
func (f *field) send(t *testing.T, n int) {
	t.Helper()
	var records []*kgo.Record
	for i := range n * fieldPartitions {
		records = append(records, &kgo.Record{Topic: "orders", Partition: int32(i % fieldPartitions)})
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := f.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	f.sent += len(records)
	eventually(t, "everything is received", func() bool { received, _ := f.seen.sum(); return received >= f.sent })
	acknowledged := f.worker.acknowledged()
	eventually(t, "commits continue", func() bool { return f.worker.acknowledged() > acknowledged })
}

// stop ends the worker and checks what the group has committed.
func (f *field) check(t *testing.T, stop func() error) {
	t.Helper()
	eventually(t, "Health is well", func() bool { return f.worker.src.Health() == nil })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if received, repeated := f.seen.sum(); received != f.sent {
		t.Errorf("%d messages received of %d", received, f.sent)
	} else {
		t.Logf("%d messages received, %d more than once", received, repeated)
	}
	f.worker.wasNeverFenced(t, "the worker")
	offsets, err := f.admin.FetchOffsets(t.Context(), fieldGroup)
	if err != nil {
		t.Fatal(err)
	}
	for p := range int32(fieldPartitions) {
		if at, ok := offsets.Lookup("orders", p); !ok || at.At != int64(f.sent/fieldPartitions) {
			t.Errorf("partition %d is committed at %d, want %d", p, at.At, f.sent/fieldPartitions)
		}
	}
}

// kill ends a broker while messages are consumed, and returns when Health showed it.
func (f *field) kill(t *testing.T, broker int) {
	t.Helper()
	began := time.Now()
	f.cluster.Kill(broker)
	eventually(t, "Health shows the trouble", func() bool { return f.worker.src.Health() != nil })
	t.Logf("Health after %v: %v", time.Since(began), f.worker.src.Health())
}

func (f *field) restart(t *testing.T, broker int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := f.cluster.Restart(ctx, broker); err != nil {
		t.Fatal(err)
	}
}

func TestTheOnlyBrokerIsKilledAndComesBack(t *testing.T) {
	f := newField(t, 1)
	stop := f.worker.start(t)
	f.send(t, 100)
	f.kill(t, 0)
	f.restart(t, 0)
	began := time.Now()
	f.send(t, 100)
	t.Logf("consumed and committed %v after the broker was back", time.Since(began))
	f.check(t, stop)
}

func TestOneBrokerOfThreeIsKilledAndComesBack(t *testing.T) {
	f := newField(t, 3)
	stop := f.worker.start(t)
	f.send(t, 100)
	coordinator := f.coordinator(t)
	f.losesOne(t, coordinator)
	began := time.Now()
	f.restart(t, coordinator)
	f.send(t, 100)
	t.Logf("consumed and committed with three brokers %v after the restart", time.Since(began))
	f.losesOne(t, f.leader(t))
	f.check(t, stop)
}

func (f *field) losesOne(t *testing.T, broker int) {
	t.Helper()
	began := time.Now()
	f.kill(t, broker)
	f.send(t, 100)
	t.Logf("consumed and committed with two brokers %v after the kill", time.Since(began))
}

// leader returns the index of a broker that leads a partition and isn't the coordinator.
func (f *field) leader(t *testing.T) int {
	t.Helper()
	topics, err := f.admin.ListTopics(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	coordinator := f.coordinator(t)
	for _, p := range topics["orders"].Partitions {
		if int(p.Leader)-1 != coordinator {
			return int(p.Leader) - 1
		}
	}
	t.Fatal("the coordinator leads all partitions")
	return -1
}

// coordinator returns the index of the group's coordinator.
func (f *field) coordinator(t *testing.T) int {
	t.Helper()
	described, err := f.admin.DescribeGroups(t.Context(), fieldGroup)
	if err != nil {
		t.Fatal(err)
	}
	return int(described[fieldGroup].Coordinator.NodeID) - 1
}
