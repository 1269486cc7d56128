package memory_test

import (
	"testing"
	"time"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/source/memory"
	"github.com/vlab-research/burrow/source/sourcetest"
	"github.com/vlab-research/burrow/stage"
)

func TestCooperativeSourceConforms(t *testing.T) {
	sourcetest.Exercise(t, func(*testing.T) sourcetest.Cluster { return cluster{Broker: memory.NewBroker()} })
}

func TestEagerSourceConforms(t *testing.T) {
	sourcetest.Exercise(t, func(*testing.T) sourcetest.Cluster {
		return cluster{Broker: memory.NewBroker(), eager: true, opts: []memory.Option{memory.WithEager()}}
	})
}

func TestPrefetchingSourceConforms(t *testing.T) {
	sourcetest.Exercise(t, func(*testing.T) sourcetest.Cluster {
		return cluster{Broker: memory.NewBroker(), opts: []memory.Option{memory.WithPrefetch(5)}}
	})
}

// cluster lets the conformance suite use a memory broker.
type cluster struct {
	*memory.Broker
	eager bool
	opts  []memory.Option
}

func (c cluster) CreateTopic(_ testing.TB, name string, partitions int) {
	c.Broker.CreateTopic(name, partitions)
}

func (c cluster) Produce(_ testing.TB, topic string, partition int32, msgs ...stage.Message) {
	c.ProduceTo(topic, partition, msgs...)
}

func (c cluster) Source(_ testing.TB, group string, topics []string) source.Source {
	return c.Broker.Source(group, topics, c.opts...)
}

func (c cluster) Committed(_ testing.TB, group, topic string, partition int32) (int64, bool) {
	return c.Broker.Committed(group, topic, partition)
}

func (c cluster) Abilities() sourcetest.Abilities {
	return sourcetest.Abilities{
		Eager: c.eager,
		ProduceApart: func(_ testing.TB, topic string, partition int32, msgs ...stage.Message) {
			for _, msg := range msgs {
				c.ProduceTo(topic, partition, msg)
				c.Skip(topic, partition, 2)
			}
		},
		Expel: func(_ testing.TB, _ string, member source.Source) { member.(*memory.Source).Expire() },
		Stall: func(_ testing.TB, group string) { c.DelayCommits(group, time.Hour) },
	}
}
