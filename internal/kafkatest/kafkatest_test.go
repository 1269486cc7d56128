package kafkatest_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/vlab-research/burrow/internal/kafkatest"
	"github.com/vlab-research/burrow/internal/kraft"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(kafkatest.Main(m)) }

func TestRecordsGoWhereTheySay(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Brokers(t)
	topic := broker.CreateTopic(t, "orders", 3)
	broker.Produce(t, topic, &kgo.Record{}, &kgo.Record{Partition: 2}, &kgo.Record{Partition: 2})
	if got, want := broker.EndOffsets(t, topic), map[int32]int64{0: 1, 1: 0, 2: 2}; !maps.Equal(got, want) {
		t.Errorf("EndOffsets = %v, want %v", got, want)
	}
}

func TestCommittedIsWhatTheGroupStored(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Brokers(t)
	topic, group := broker.CreateTopic(t, "orders", 2), kafkatest.Unique("billing")
	if got := broker.Committed(t, group); len(got) != 0 {
		t.Errorf("Committed = %v before there is a group", got)
	}
	commit(t, broker, group, topic, 1, 7)
	if got, want := broker.Committed(t, group)[topic], map[int32]int64{1: 7}; !maps.Equal(got, want) {
		t.Errorf("Committed = %v, want %v", got, want)
	}
}

func TestCommittedAgreesWithKafkasOwnTool(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Brokers(t)
	if broker.Kraft() == nil {
		t.Skip("needs Kafka's command line classes, which only BURROW_TEST_KAFKA=local has")
	}
	topic, group := broker.CreateTopic(t, "orders", 1), kafkatest.Unique("billing")
	commit(t, broker, group, topic, 0, 5)
	out, err := broker.Kraft().Admin(t.Context(), kraft.ConsumerGroupCommand, "--describe", "--group", group)
	if err != nil {
		t.Fatal(err)
	}
	if row := group + " " + topic + " 0 5 "; !strings.Contains(strings.Join(strings.Fields(out), " "), row) {
		t.Errorf("no %q in:\n%s", row, out)
	}
}

func TestFaultsAreForTheFakeAlone(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Brokers(t)
	if fake := broker.Kind() == kafkatest.Fake; fake != (broker.Fake() != nil) {
		t.Errorf("kind %q with Fake() = %v", broker.Kind(), broker.Fake())
	}
}

func TestTopicsGetTheirSettings(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Brokers(t)
	topic := broker.CreateTopic(t, "users", 1, map[string]string{"cleanup.policy": "compact"})
	configs, err := admin(t, broker).DescribeTopicConfigs(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, config := range configs[0].Configs {
		if config.Key == "cleanup.policy" && config.MaybeValue() == "compact" {
			return
		}
	}
	t.Errorf("%s isn't compacted", topic)
}

func admin(t *testing.T, broker *kafkatest.Broker) *kadm.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return kadm.NewClient(client)
}

func commit(t *testing.T, broker *kafkatest.Broker, group, topic string, partition int32, at int64) {
	t.Helper()
	var offsets kadm.Offsets
	offsets.AddOffset(topic, partition, at, -1)
	if err := admin(t, broker).CommitAllOffsets(t.Context(), group, offsets); err != nil {
		t.Fatal(err)
	}
}
