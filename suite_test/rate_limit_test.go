package suite_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/stage"
)

var _ = Describe("A rate limit holds no workers", func() {
	onMemory("100 a second take 1 000 messages ten seconds, with two workers that are free all the time", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(1000)...)
		var seen record
		began := time.Now()
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithWorkers(2).Use(middleware.RateLimit(100, 10)).Stage(seen.stage())
		})
		time.Sleep(5*time.Second - time.Millisecond)
		Expect(seen.all()).To(HaveLen(10 + 499))
		s := r.Stats().Partitions[0]
		Expect(s.ParkedBy).To(Equal(map[string]int{"ratelimit": 1000 - 10 - 499}))
		Expect(s.InFlight).To(BeZero(), "the workers are free")
		Expect(time.Until(s.NextRetry)).To(BeNumerically("~", time.Millisecond, time.Millisecond))
		eventually("all", func() bool { return r.Stats().Processed == 1000 })
		Expect(time.Since(began)).To(BeNumerically("~", 9900*time.Millisecond, 20*time.Millisecond))
		Expect(r.stop()).To(Succeed())
	})

	onMemory("one limit for each key lets the other keys pass", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(40, "a", "b", "b", "b")...)
		done := map[string]time.Duration{}
		began := time.Now()
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithWorkers(1).
				Use(middleware.RateLimitBy(1, 1, 10, func(m stage.Message) string { return string(m.Key()) })).
				Stage(stage.Func(func(_ context.Context, m stage.Message) (stage.Message, error) {
					done[string(m.Key())] = time.Since(began)
					return m, nil
				}))
		})
		time.Sleep(40 * time.Second)
		Expect(r.Stats().Processed).To(Equal(int64(40)))
		Expect(done).To(Equal(map[string]time.Duration{"a": 9 * time.Second, "b": 29 * time.Second}))
		Expect(r.stop()).To(Succeed())
	})
})
