package kraft

import (
	"context"
	"slices"
	"strings"
)

// Classes of Kafka for [Cluster.Admin].
const (
	// ConsumerGroupCommand is what kafka-consumer-groups.sh runs.
	ConsumerGroupCommand = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
	// TopicCommand is what kafka-topics.sh runs.
	TopicCommand = "org.apache.kafka.tools.TopicCommand"
	// ConfigCommand is what kafka-configs.sh runs.
	ConfigCommand = "kafka.admin.ConfigCommand"
)

// Admin runs one of Kafka's own command line classes and returns what it printed:
//
//	out, err := cluster.Admin(ctx, kraft.ConsumerGroupCommand, "--describe", "--group", "billing")
//
// It adds --bootstrap-server unless args have it. It blocks for the second or two
// that a new JVM takes, and ctx kills it.
func (c *Cluster) Admin(ctx context.Context, class string, args ...string) (string, error) {
	if !slices.Contains(args, "--bootstrap-server") {
		args = append([]string{"--bootstrap-server", strings.Join(c.internalAddrs(), ",")}, args...)
	}
	return c.kafka.tool(ctx, class, args...)
}
