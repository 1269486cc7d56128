package kafka_test

import (
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/vlab-research/burrow/source/kafka"
)

func TestEveryMistakeIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := kafka.NewSource(nil, "", nil, nil, kafka.WithLogger(nil), kafka.WithSarama(nil), kafka.WithCommitTimeout(0), kafka.WithStartTimeout(-1),
		kafka.WithSarama(func(c *sarama.Config) {
			c.Consumer.Fetch.Max = 1
			c.Consumer.Group.Heartbeat.Interval = time.Hour
		}))
	for _, text := range []string{"no brokers", "no topics", "group is empty", "Option is nil", "WithLogger", "WithSarama got nil",
		"WithCommitTimeout", "WithStartTimeout", "Fetch.Max", "Heartbeat.Interval"} {
		if !contains(err, text) {
			t.Errorf("no word of %q", text)
		}
	}
}

func TestBadInputIsRefused(t *testing.T) {
	t.Parallel()
	good := []string{"localhost:9092"}
	for name, test := range map[string]struct {
		brokers, topics []string
		configure       func(*sarama.Config)
		says            string
	}{
		"broker without a port": {brokers: []string{"localhost"}, says: "host:port"},
		"empty broker":          {brokers: []string{""}, says: "host:port"},
		"broker given twice":    {brokers: []string{"a:1", "a:1"}, says: "twice"},
		"empty topic":           {topics: []string{""}, says: "topic is empty"},
		"topic given twice":     {topics: []string{"a", "a"}, says: "twice"},
		"pattern":               {topics: []string{"^orders.*"}, says: "patterns"},
		"read timeout below the rebalance": {configure: func(c *sarama.Config) {
			c.Net.ReadTimeout = time.Second
		}, says: "Net.ReadTimeout"},
		"strategies without a common protocol": {configure: func(c *sarama.Config) {
			c.Consumer.Group.Rebalance.GroupStrategies = nil
		}, says: "GroupStrategies"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			brokers, topics := good, []string{"orders"}
			if test.brokers != nil {
				brokers = test.brokers
			}
			if test.topics != nil {
				topics = test.topics
			}
			var opts []kafka.Option
			if test.configure != nil {
				opts = append(opts, kafka.WithSarama(test.configure))
			}
			if _, err := kafka.NewSource(brokers, "g", topics, opts...); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("NewSource: %v, want an error that says %q", err, test.says)
			}
		})
	}
}

func TestTheReadTimeoutFollowsALongerRebalance(t *testing.T) {
	t.Parallel()
	src, err := kafka.NewSource([]string{"localhost:9092"}, "g", []string{"orders"}, kafka.WithSarama(func(c *sarama.Config) {
		c.Consumer.Group.Rebalance.Timeout = 5 * time.Minute
	}))
	if err != nil {
		t.Fatal(err)
	}
	if d := src.RebalanceTimeout(); d != 5*time.Minute {
		t.Errorf("rebalance timeout %v", d)
	}
}

func TestASourceIsNotHealthyBeforeItRuns(t *testing.T) {
	t.Parallel()
	if newSource(t, []string{"localhost:9092"}, "orders").Health() == nil {
		t.Error("healthy")
	}
}
