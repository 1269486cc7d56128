package suite_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

var errPermanent = retry.Permanent(errors.New("this message can't be processed"))

var _ = Describe("After a crash, what was not committed is delivered again", func() {
	onEach("of 0–4 message 2 fails for good, 1 is committed; after a crash the restart gets 2, 3 and 4", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(5)...)
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithMaxRetries(3).WithMaxConsecutiveErrors(2).WithCommitBatch(1).
				Stage(stage.Func(func(_ context.Context, m stage.Message) (stage.Message, error) {
					if m.Position().Offset == 2 {
						return nil, errPermanent
					}
					return m, nil
				}))
		})
		w.eventuallyCommitted(topic, 0, 2)
		eventually("the others", func() bool { return r.Stats().Processed == 4 })
		Expect(r.Stats().Retried).To(BeZero(), "a permanent error is not retried")
		r.crash()

		var again record
		second := w.start(topic, func(b burrow.Builder) burrow.Builder { return b.Stage(again.stage()) })
		eventually("the restart", func() bool { return second.Stats().Processed == 3 })
		Expect(again.offsets(0)).To(Equal([]int64{2, 3, 4}))
		Expect(second.stop()).To(Succeed())
		Expect(w.committed(topic, 0)).To(Equal(int64(5)))
	})

	onEach("it repeats no more than was delivered and not committed, a number that Stats shows", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(300)...)
		g := newGate()
		var first, again record
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithWorkers(4).WithMaxInFlight(50).WithOrdering(burrow.Unordered).WithDrainTimeout(time.Second).
				Stage(first.stage()).Stage(stage.Func(func(ctx context.Context, m stage.Message) (stage.Message, error) {
				if m.Position().Offset == 100 {
					return g.Process(ctx, m)
				}
				return m, nil
			}))
		})
		eventually("a window full behind message 100", func() bool {
			s := r.Stats()
			return s.Processed == 149 && len(s.Partitions) == 1 && s.Partitions[0].Committed == 99
		})
		atRisk := r.Stats().Partitions[0].Repeats
		Expect(atRisk).To(Equal(50))
		r.crash()

		second := w.start(topic, func(b burrow.Builder) burrow.Builder { return b.Stage(again.stage()) })
		w.eventuallyCommitted(topic, 0, 300)
		Expect(second.stop()).To(Succeed())
		seen := make(map[int64]int)
		for _, offset := range append(first.offsets(0), again.offsets(0)...) {
			seen[offset]++
		}
		repeated := 0
		for offset := range int64(300) {
			Expect(seen[offset]).To(BeNumerically(">=", 1), "offset %d", offset)
			repeated += seen[offset] - 1
		}
		Expect(repeated).To(And(BeNumerically(">", 0), BeNumerically("<=", atRisk)))
	})

	onMemory("a clean stop does what waits for its key in front of what is done, so that repeats nothing either", func(w *world) {
		topic := w.topic(1)
		for i := range 400 { // every tenth message has the same key
			key := fmt.Sprint(i)
			if i%10 == 0 {
				key = "hot"
			}
			w.produce(topic, 0, stage.New([]byte(key), nil))
		}
		var seen record
		build := func(b burrow.Builder) burrow.Builder {
			return b.WithWorkers(10).Stage(stage.Func(func(_ context.Context, m stage.Message) (stage.Message, error) {
				if string(m.Key()) == "hot" {
					time.Sleep(100 * time.Millisecond)
				}
				return m, nil
			})).Stage(seen.stage())
		}
		r := w.start(topic, build)
		eventually("most of the others", func() bool { return r.Stats().Processed >= 300 })
		Expect(w.committed(topic, 0)).To(BeNumerically("<", 200), "the hot key holds the commit")
		Expect(r.stop()).To(Succeed())
		w.start(topic, build)
		w.eventuallyCommitted(topic, 0, 400)
		Expect(seen.offsets(0)).To(Equal(upTo(400)), "each once")
	})

	onEach("a clean stop repeats nothing", func(w *world) {
		topic := w.topic(2)
		for p := range int32(2) {
			w.produce(topic, p, numbered(200)...)
		}
		var seen record
		build := func(b burrow.Builder) burrow.Builder {
			return b.WithWorkers(8).Stage(stage.Func(briefly)).Stage(seen.stage())
		}
		r := w.start(topic, build)
		eventually("half of them", func() bool { return r.Stats().Processed >= 100 })
		Expect(r.stop()).To(Succeed())
		Expect(w.start(topic, build)).NotTo(BeNil())
		for p := range int32(2) {
			w.eventuallyCommitted(topic, p, 200)
			Expect(seen.offsets(p)).To(Equal(upTo(200)), "each once")
		}
	})
})
