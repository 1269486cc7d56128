package kafka

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"time"

	"github.com/IBM/sarama"
)

// answerMargin is how much longer a connection waits for an answer than a join
// of the group may take at most.
const answerMargin = 10 * time.Second

// baseConfig has what a source and a producer share.
func baseConfig() *sarama.Config {
	c := sarama.NewConfig()
	c.ClientID = DefaultClientID
	// The newest version whose group protocol sarama speaks in full: the generation
	// travels with the owned partitions (KIP-792). Older brokers are negotiated down to.
	c.Version = sarama.V3_2_0_0
	c.Net.DialTimeout = 5 * time.Second
	c.Metadata.AllowAutoTopicCreation = false
	c.Metadata.RefreshFrequency = 5 * time.Minute
	return c
}

func (s *settings) sourceConfig() (*sarama.Config, error) {
	c := baseConfig()
	c.Metadata.Full = false
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	if s.newest {
		c.Consumer.Offsets.Initial = sarama.OffsetNewest
	}
	// A resumed partition is asked for only when the long poll for the others ends.
	c.Consumer.MaxWaitTime = 100 * time.Millisecond
	// What one fetch brings for a partition is held beyond its window.
	c.Consumer.Fetch.Default = 1 << 20
	c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyCooperativeSticky()}
	wait := c.Consumer.Group.Rebalance.Timeout + answerMargin
	c.Net.ReadTimeout = wait
	for _, configure := range s.sarama {
		configure(c)
	}
	if c.Net.ReadTimeout == wait {
		c.Net.ReadTimeout = c.Consumer.Group.Rebalance.Timeout + answerMargin
	}
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.Return.Errors = true
	return c, errors.Join(checkSource(c), c.Validate())
}

func checkSource(c *sarama.Config) error {
	var mistakes []error
	if c.Net.ReadTimeout <= c.Consumer.Group.Rebalance.Timeout {
		mistakes = append(mistakes, fmt.Errorf("Net.ReadTimeout (%v) must be longer than Consumer.Group.Rebalance.Timeout (%v), because a join can take that long",
			c.Net.ReadTimeout, c.Consumer.Group.Rebalance.Timeout))
	}
	if c.Consumer.Fetch.Max > 0 {
		mistakes = append(mistakes, errors.New("Consumer.Fetch.Max must be 0, because sarama skips larger messages"))
	}
	return errors.Join(mistakes...)
}

func (s *settings) producerConfig() (*sarama.Config, error) {
	c := baseConfig()
	c.Net.MaxOpenRequests = 1
	c.Producer.Idempotent = true
	c.Producer.RequiredAcks = sarama.WaitForAll
	// Together about 10 s, in which a broker can be replaced.
	c.Producer.Retry.Max = 20
	c.Producer.Retry.Backoff = 500 * time.Millisecond
	// Sarama uses it for the identity of an idempotent producer too.
	c.Producer.Transaction.Retry.Max = 10
	for _, configure := range s.sarama {
		configure(c)
	}
	c.Producer.Return.Successes = true
	c.Producer.Return.Errors = true
	return c, c.Validate()
}

// askConfig is for clients that only ask short questions, so an answer that takes
// long isn't coming.
func askConfig(c *sarama.Config, patience time.Duration) *sarama.Config {
	short := *c
	short.Net.ReadTimeout = min(c.Net.ReadTimeout, patience)
	short.Net.WriteTimeout = min(c.Net.WriteTimeout, patience)
	// Sarama's clients count in the registry of their configuration, under the same names.
	short.MetricRegistry = sarama.NewConfig().MetricRegistry
	return &short
}

func checkBrokers(brokers []string) []error {
	if len(brokers) == 0 {
		return []error{errors.New("kafka: no brokers: give at least one host:port")}
	}
	var mistakes []error
	for i, b := range brokers {
		if _, port, err := net.SplitHostPort(b); err != nil || port == "" {
			mistakes = append(mistakes, fmt.Errorf("kafka: broker %q must be host:port", b))
		}
		if slices.Contains(brokers[:i], b) {
			mistakes = append(mistakes, fmt.Errorf("kafka: broker %q is given twice", b))
		}
	}
	return mistakes
}

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

func checkTopics(topics []string) []error {
	if len(topics) == 0 {
		return []error{errors.New("kafka: no topics: give at least one")}
	}
	var mistakes []error
	for i, t := range topics {
		switch {
		case t == "":
			mistakes = append(mistakes, errors.New("kafka: a topic is empty: leave it out"))
		case !topicName.MatchString(t) || t == "." || t == "..":
			mistakes = append(mistakes, fmt.Errorf("kafka: topic %q must be a name of letters, digits, '.', '_' and '-' (patterns aren't supported)", t))
		case slices.Contains(topics[:i], t):
			mistakes = append(mistakes, fmt.Errorf("kafka: topic %q is given twice", t))
		}
	}
	return mistakes
}
