package suite_test

import (
	"context"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/pipeline"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

var _ = Describe("A window that is full behind one slow message is reported", func() {
	onMemory("by Health, with its offset, key hash, stage and age, and goes on when the message does", func(w *world) {
		topic := w.topic(2)
		for p := range int32(2) {
			w.produce(topic, p, numbered(1000, keys(100)...)...)
		}
		g := newGate()
		slow := stage.Func(func(ctx context.Context, m stage.Message) (stage.Message, error) {
			if m.Position().Partition == 0 && m.Position().Offset == 30 {
				return g.Process(ctx, m)
			}
			return briefly(ctx, m)
		})
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithMaxInFlight(200).WithStallTimeout(20 * time.Second).WithCommitInterval(time.Second).
				Stage(stage.Named("check", stage.Func(briefly))).Stage(stage.Named("call", slow))
		})
		w.eventuallyCommitted(topic, 1, 1000)
		w.eventuallyCommitted(topic, 0, 30)
		Expect(r.Health()).To(Succeed(), "before the time")
		time.Sleep(21 * time.Second)
		Expect(r.Health()).To(And(MatchError(pipeline.ErrHeadOfLine), MatchError(pipeline.ErrStalled)))
		Expect(r.Health()).To(MatchError(MatchRegexp(topic + `/0@30 is in flight for 2\d\.?\d*s in stage "call", key hash [0-9a-f]{16}`)))
		x := r.Explain(topic, 0)
		Expect(x).To(And(HaveField("HeadOfLine", true), HaveField("Offset", int64(30)), HaveField("Stage", "call")))
		Expect(x.KeyHash).NotTo(BeZero())
		Expect(x.Behind).To(BeNumerically(">", 100), "resolved, and not committed because of it")
		Expect(w.committed(topic, 0)).To(Equal(int64(30)))

		g.finish(topic, 0, 30, nil)
		w.eventuallyCommitted(topic, 0, 1000)
		Expect(r.Health()).To(Succeed())
		Expect(r.stop()).To(Succeed())
	})
})

var _ = Describe("WithHeadOfLine hands a message that holds its partition to the failure path", func() {
	onMemory("so that it is tried again, and then dead-lettered, while its partition goes on", func(w *world) {
		topic, dead := w.topic(1), w.topic(1)
		w.produce(topic, 0, numbered(1000)...)
		var tries atomic.Int64
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithMaxInFlight(200).WithCommitInterval(time.Second).
				WithHeadOfLine(burrow.HeadOfLine{After: 10 * time.Second}).
				Use(middleware.DeadLetter(w, dead), middleware.Retry(retry.Linear{Step: time.Second}, 2)).
				Stage(stage.Func(func(ctx context.Context, m stage.Message) (stage.Message, error) {
					if m.Position().Offset == 30 {
						tries.Add(1)
						<-ctx.Done()
						return nil, ctx.Err()
					}
					return briefly(ctx, m)
				}))
		})
		w.eventuallyCommitted(topic, 0, 1000)
		s := r.Stats()
		Expect([]int64{tries.Load(), s.Cut, s.DeadLettered, s.Processed, s.Failed}).To(Equal([]int64{2, 2, 1, 999, 0}))
		letter, err := middleware.ParseDeadLetter(w.backend.(*memoryBackend).Messages(dead, 0)[0].Headers())
		Expect(err).NotTo(HaveOccurred())
		Expect(letter.Error).To(ContainSubstring("one message holds a window"))
		Expect(r.stop()).To(Succeed())
	})

	onMemory("but takes an outage for an outage: a budget bounds what it cancels", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(1000)...)
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithMaxInFlight(200).WithCommitInterval(time.Second).
				WithHeadOfLine(burrow.HeadOfLine{After: 10 * time.Second, Burst: 2, Every: time.Hour}).
				Use(middleware.Retry(retry.Linear{Step: time.Second}, 1000)).
				Stage(stage.Func(func(ctx context.Context, m stage.Message) (stage.Message, error) {
					if m.Position().Offset < 30 {
						return m, nil
					}
					if m.Position().Offset == 30 {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					return briefly(ctx, m)
				}))
		})
		time.Sleep(10 * time.Minute)
		Expect(r.Stats().Cut).To(Equal(int64(2)))
		Expect(r.Health()).To(MatchError(pipeline.ErrHeadOfLine))
		r.crash()
	})
})
