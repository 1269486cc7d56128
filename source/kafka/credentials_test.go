package kafka_test

import (
	"github.com/IBM/sarama"

	"github.com/vlab-research/burrow/internal/kafkatest"
)

func plainAs(pass string) func(*sarama.Config) {
	return func(c *sarama.Config) {
		c.Net.SASL.Enable, c.Net.SASL.User, c.Net.SASL.Password = true, "alice", pass
	}
}

func scramAs(pass string) func(*sarama.Config) {
	return func(c *sarama.Config) {
		plainAs(pass)(c)
		c.Net.SASL.Mechanism = sarama.SASLTypeSCRAMSHA256
		c.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return new(kafkatest.SCRAM) }
	}
}
