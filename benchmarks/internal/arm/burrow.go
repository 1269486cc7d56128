package arm

import (
	"context"

	"github.com/IBM/sarama"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/benchmarks/internal/load"
	"github.com/vlab-research/burrow/source/kafka"
	"github.com/vlab-research/burrow/stage"
)

func consumeBurrow(ordering burrow.Ordering) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		src, err := kafka.NewSource(r.Brokers, r.Group, []string{r.Topic}, kafka.WithSarama(func(c *sarama.Config) {
			c.Consumer.Fetch.Default = FetchBytes
			r.probe.configure(c)
		}))
		if err != nil {
			return err
		}
		handle := func(_ context.Context, msg stage.Message) (stage.Message, error) {
			at := msg.Position()
			r.meter.Do(load.Place{Partition: at.Partition, Offset: at.Offset})
			return msg, nil
		}
		b := burrow.New().From(r.probe.wrap(src)).WithWorkers(r.Workers).WithOrdering(ordering).Stage(stage.Func(handle))
		if r.Window > 0 {
			b = b.WithMaxInFlight(r.Window)
		}
		if r.Interval > 0 {
			b = b.WithCommitInterval(r.Interval)
		}
		p, err := b.Build()
		if err != nil {
			return err
		}
		r.probe.watch(ctx, p)
		return p.Run(ctx)
	}
}
