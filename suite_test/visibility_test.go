package suite_test

import (
	"context"
	"fmt"
	"regexp"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/internal/kraft"
	"github.com/vlab-research/burrow/pipeline"
	"github.com/vlab-research/burrow/stage"
)

var _ = Describe("What goes on can be seen", func() {
	onKafka("the committed offsets that Stats reports are those that the broker's own tool shows", func(w *world) {
		topic := w.topic(2)
		w.produce(topic, 0, numbered(7)...)
		w.produce(topic, 1, numbered(3)...)
		r := w.start(topic, func(b burrow.Builder) burrow.Builder { return b.Stage(stage.Func(briefly)) })
		eventually("all commits", func() bool {
			s := r.Stats()
			return len(s.Partitions) == 2 && s.Partitions[0].Committed == 6 && s.Partitions[1].Committed == 2
		})
		Expect([]int64{w.committed(topic, 0), w.committed(topic, 1)}).To(Equal([]int64{7, 3}))
		k := w.backend.(*kafkaBackend)
		if cluster := k.Kraft(); cluster != nil {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			out, err := cluster.Admin(ctx, kraft.ConsumerGroupCommand, "--describe", "--group", k.group)
			Expect(err).NotTo(HaveOccurred())
			for partition, next := range []int64{7, 3} {
				Expect(out).To(MatchRegexp(fmt.Sprintf(`%s\s+%d\s+%d\s+%d\s+0\s`, regexp.QuoteMeta(topic), partition, next, next)))
			}
		}
		Expect(r.stop()).To(Succeed())
	})

	onMemory("Health says when the pipeline is ready, and which message holds a partition too long", func(w *world) {
		topic := w.topic(1)
		g := newGate()
		idle, err := burrow.New().From(w.member(topic)).Stage(g).Build()
		Expect(err).NotTo(HaveOccurred())
		Expect(idle.Health()).To(MatchError(pipeline.ErrNotRunning))
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithStallTimeout(10 * time.Second).Stage(stage.Named("slow", g))
		})
		w.produce(topic, 0, numbered(3, "key")...)
		g.inFlight(1)
		Expect(r.Health()).To(Succeed())
		time.Sleep(11 * time.Second)
		Expect(r.Health()).To(And(MatchError(pipeline.ErrStalled), MatchError(ContainSubstring(topic+"/0@0"))))
		x := r.Explain(topic, 0)
		Expect(x).To(And(HaveField("Offset", int64(0)), HaveField("State", "in flight"), HaveField("Stage", "slow")))
		Expect(x.KeyHash).NotTo(BeZero())
		for offset := range int64(3) {
			g.finish(topic, 0, offset, nil)
		}
		eventually("a good health", func() bool { return r.Health() == nil })
		Expect(r.stop()).To(Succeed())
		Expect(r.Health()).To(MatchError(pipeline.ErrNotRunning))
	})

	onMemory("a partition's metrics end when it is given up", func(w *world) {
		topic := w.topic(2)
		reader := metric.NewManualReader()
		first := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(reader))).Stage(stage.Func(briefly))
		})
		eventually("two series", func() bool { return series(reader, "burrow.lag.messages") == 2 })
		second := w.start(topic, func(b burrow.Builder) burrow.Builder { return b.Stage(stage.Func(briefly)) })
		eventually("one series", func() bool { return series(reader, "burrow.lag.messages") == 1 })
		Expect(second.stop()).To(Succeed())
		Expect(first.stop()).To(Succeed())
		Expect(series(reader, "burrow.lag.messages")).To(BeZero())
	})

	onMemory("a paused pipeline starts nothing, stays in its group, and goes on", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(100)...)
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithWorkers(1).Stage(stage.Func(func(_ context.Context, m stage.Message) (stage.Message, error) {
				time.Sleep(time.Second)
				return m, nil
			}))
		})
		time.Sleep(10*time.Second + time.Millisecond)
		r.Pause()
		time.Sleep(time.Hour)
		Expect(r.Stats().Processed).To(Equal(int64(11)))
		Expect(r.Stats().Partitions).To(HaveLen(1))
		r.Resume()
		time.Sleep(10*time.Second + time.Millisecond)
		Expect(r.Stats().Processed).To(Equal(int64(21)))
		Expect(r.stop()).To(Succeed())
	})
})

// series returns how many points a metric has.
func series(reader metric.Reader, name string) int {
	GinkgoHelper()
	var all metricdata.ResourceMetrics
	Expect(reader.Collect(context.Background(), &all)).To(Succeed())
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if gauge, ok := m.Data.(metricdata.Gauge[float64]); ok && m.Name == name {
				return len(gauge.DataPoints)
			}
		}
	}
	return 0
}
