package arm

import (
	"context"
	"errors"
	"sync"

	watermill "github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vlab-research/burrow/benchmarks/internal/load"
)

// consumeFranz is a loop over what franz-go polls. It commits what was polled
// before every five seconds, and the rest at the end.
func consumeFranz(ctx context.Context, r *run) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(r.Brokers...), kgo.ConsumerGroup(r.Group), kgo.ConsumeTopics(r.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxPartitionBytes(FetchBytes))
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return client.CommitUncommittedOffsets(context.WithoutCancel(ctx))
		}
		if err := fetches.Err(); err != nil {
			return err
		}
		for records := fetches.RecordIter(); !records.Done(); {
			if r.Work.Waits() && ctx.Err() != nil {
				return nil // what was polled can take minutes
			}
			record := records.Next()
			r.meter.Do(load.Place{Partition: record.Partition, Offset: record.Offset})
		}
	}
}

// consumeWatermill has a goroutine for each message, as watermill's router does.
// Its subscriber gives a partition's next message when the one before is acknowledged.
func consumeWatermill(ctx context.Context, r *run) error {
	config := r.saramaConfig()
	config.Consumer.Return.Errors = true
	subscriber, err := watermill.NewSubscriber(watermill.SubscriberConfig{
		Brokers: r.Brokers, ConsumerGroup: r.Group, Unmarshaler: watermill.DefaultMarshaler{}, OverwriteSaramaConfig: config,
	}, nil)
	if err != nil {
		return err
	}
	messages, err := subscriber.Subscribe(ctx, r.Topic)
	if err != nil {
		return errors.Join(err, subscriber.Close())
	}
	var wg sync.WaitGroup
	for m := range messages {
		wg.Go(func() {
			r.meter.Do(watermillPlace(m))
			m.Ack()
		})
	}
	wg.Wait()
	return subscriber.Close()
}

func watermillPlace(m *message.Message) load.Place {
	partition, _ := watermill.MessagePartitionFromCtx(m.Context())
	offset, _ := watermill.MessagePartitionOffsetFromCtx(m.Context())
	return load.Place{Partition: partition, Offset: offset}
}
