package suite_test

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

// outbox is a publisher that can be down.
type outbox struct {
	world *world
	down  atomic.Bool
	tries atomic.Int64
}

var errDown = errors.New("the dead-letter topic is down")

func (o *outbox) Publish(ctx context.Context, topic string, key, value []byte, headers stage.Headers) error {
	o.tries.Add(1)
	if o.down.Load() {
		return errDown
	}
	return o.world.Publish(ctx, topic, key, value, headers)
}

// letters returns the offsets of the originals of a topic's dead letters, in their order.
func (w *world) letters(topic string, partition int32) []int64 {
	GinkgoHelper()
	offsets := []int64{}
	for _, m := range w.backend.(*memoryBackend).Messages(topic, partition) {
		letter, err := middleware.ParseDeadLetter(m.Headers())
		Expect(err).NotTo(HaveOccurred())
		offsets = append(offsets, letter.Position.Offset)
	}
	return offsets
}

// failingKey fails all messages of a key.
func failingKey(key string) stage.Stage {
	return stage.Func(func(_ context.Context, m stage.Message) (stage.Message, error) {
		if string(m.Key()) == key {
			return nil, errWork
		}
		return briefly(context.Background(), m)
	})
}

var _ = Describe("Dead letters survive an outage of their topic, and are not the way out of one", func() {
	onMemory("a topic that is down parks the publishing and holds the commit; when it is up again each letter is stored once, by key in order", func(w *world) {
		topic, dead := w.topic(1), w.topic(1)
		w.produce(topic, 0, numbered(40, "good", "bad")...)
		out := &outbox{world: w}
		out.down.Store(true)
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithWorkers(2).WithCommitInterval(time.Second).
				Use(middleware.DeadLetter(out, dead, middleware.PublishRetry(retry.Linear{Step: 10 * time.Second}, 100))).
				Stage(failingKey("bad"))
		})
		eventually("what doesn't fail", func() bool { return r.Stats().Processed == 20 })
		time.Sleep(10 * time.Minute)
		s := r.Stats()
		Expect(s.Partitions[0].ParkedBy).To(Equal(map[string]int{"deadletter": 1}), "it holds no worker")
		Expect([]int64{s.Failed, s.DeadLettered}).To(Equal([]int64{0, 0}))
		Expect(out.tries.Load()).To(BeNumerically("~", 22, 2), "no busy loop")
		Expect(w.committed(topic, 0)).To(Equal(int64(1)), "nothing past the message that is stored nowhere")

		out.down.Store(false)
		eventually("all letters", func() bool { time.Sleep(time.Minute); return r.Stats().DeadLettered == 20 })
		w.eventuallyCommitted(topic, 0, 40)
		Expect(w.letters(dead, 0)).To(Equal(odd(40)))
		Expect(r.stop()).To(Succeed())
	})

	onMemory("one that stays down fails the message, with both errors", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(10)...)
		out := &outbox{world: w}
		out.down.Store(true)
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithWorkers(1).Use(middleware.DeadLetter(out, "dead", middleware.PublishRetry(retry.Linear{Step: time.Second}, 3))).Stage(failingAt(4))
		})
		Expect(r.wait()).To(And(MatchError(burrow.ThresholdExceeded), MatchError(errWork), MatchError(errDown)))
		Expect(out.tries.Load()).To(Equal(int64(3)))
		Expect(w.committed(topic, 0)).To(Equal(int64(4)))
	})

	onMemory("a flood of them is an outage: after a limit in a row messages fail and count for the threshold", func(w *world) {
		topic, dead := w.topic(1), w.topic(1)
		w.produce(topic, 0, numbered(100)...)
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithWorkers(1).WithMaxConsecutiveErrors(2).
				Use(middleware.DeadLetter(w, dead, middleware.DeadLettersInARow(5))).
				Stage(stage.Func(func(_ context.Context, m stage.Message) (stage.Message, error) {
					if m.Position().Offset >= 50 || m.Position().Offset%5 != 0 {
						return nil, errWork
					}
					return m, nil
				}))
		})
		err := r.wait()
		Expect(err).To(And(MatchError(burrow.ThresholdExceeded), MatchError(middleware.ErrDeadLetterFlood), MatchError(errWork)))
		Expect(w.letters(dead, 0)).To(HaveLen(40+1), "four of five up to 50, and 50 after 46 to 49 is the fifth in a row")
		Expect(w.committed(topic, 0)).To(Equal(int64(51)))
	})

	onMemory("a message that was dead-lettered before a crash is recognised by its id", func(w *world) {
		topic, dead := w.topic(1), w.topic(1)
		w.produce(topic, 0, numbered(10)...)
		build := func(b burrow.Builder) burrow.Builder {
			return b.WithCommitInterval(time.Hour).Use(middleware.DeadLetter(w, dead)).Stage(failingAt(4))
		}
		r := w.start(topic, build)
		eventually("the letter", func() bool { return r.Stats().DeadLettered == 1 })
		r.crash()
		again := w.start(topic, build)
		eventually("the second letter", func() bool { return again.Stats().DeadLettered == 1 })
		Expect(again.stop()).To(Succeed())
		ids := map[string]int{}
		for _, m := range w.backend.(*memoryBackend).Messages(dead, 0) {
			letter, err := middleware.ParseDeadLetter(m.Headers())
			Expect(err).NotTo(HaveOccurred())
			ids[letter.ID]++
		}
		Expect(ids).To(Equal(map[string]int{topic + "/0/4": 2}))
	})
})

// odd returns the odd numbers below n.
func odd(n int64) []int64 {
	list := []int64{}
	for i := int64(1); i < n; i += 2 {
		list = append(list, i)
	}
	return list
}
