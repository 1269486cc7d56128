package arm

import (
	"context"
	"errors"

	"github.com/IBM/sarama"

	"github.com/vlab-research/burrow/benchmarks/internal/load"
)

// saramaConfig is the configuration of all arms on sarama; burrow sets the same
// version and fetch size itself.
func (r *run) saramaConfig() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V3_2_0_0
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Fetch.Default = FetchBytes
	r.probe.configure(c)
	return c
}

// loop is what is done with a claim's messages.
type loop func(session sarama.ConsumerGroupSession, messages <-chan *sarama.ConsumerMessage)

func (loop) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (loop) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (l loop) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	l(session, claim.Messages())
	return nil
}

// consumeClaims is a member of the group until ctx ends. Sarama commits what was
// marked every second and at the end.
func (r *run) consumeClaims(ctx context.Context, l loop) (err error) {
	group, err := sarama.NewConsumerGroup(r.Brokers, r.Group, r.saramaConfig())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, group.Close()) }()
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{r.Topic}, l); err != nil {
			return err
		}
	}
	return nil
}

func placeOf(m *sarama.ConsumerMessage) load.Place {
	return load.Place{Partition: m.Partition, Offset: m.Offset}
}

// consumeSarama handles a partition's messages one after the other and marks each.
func consumeSarama(ctx context.Context, r *run) error {
	return r.consumeClaims(ctx, func(session sarama.ConsumerGroupSession, messages <-chan *sarama.ConsumerMessage) {
		for m := range messages {
			r.meter.Do(placeOf(m))
			session.MarkMessage(m, "")
		}
	})
}

// consumeHolding handles and keeps the messages, to compare memory with.
func consumeHolding(ctx context.Context, r *run) error {
	kept := make([]*sarama.ConsumerMessage, 0, r.Load.Messages)
	return r.consumeClaims(ctx, func(_ sarama.ConsumerGroupSession, messages <-chan *sarama.ConsumerMessage) {
		for m := range messages {
			if kept = append(kept, m); len(kept) == cap(kept) {
				r.probe.weigh()
			}
			r.meter.Do(placeOf(m))
		}
	})
}
