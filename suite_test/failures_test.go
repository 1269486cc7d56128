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
	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

var errWork = errors.New("the work failed")

// failingAt fails the messages at these offsets.
func failingAt(offsets ...int64) stage.Stage {
	return stage.Func(func(_ context.Context, m stage.Message) (stage.Message, error) {
		for _, offset := range offsets {
			if m.Position().Offset == offset {
				return nil, errWork
			}
		}
		return m, nil
	})
}

var _ = Describe("Failures stop the pipeline before they lose a message", func() {
	onEach("with three errors in a row as the limit, E E S E E E halts at the sixth, with nothing committed past the first", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(10)...)
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithMaxConsecutiveErrors(3).WithWorkers(1).Stage(stage.Named("work", failingAt(1, 2, 4, 5, 6)))
		})
		err := r.wait()
		Expect(err).To(MatchError(burrow.ThresholdExceeded))
		Expect(err).To(MatchError(errWork))
		var failure *burrow.Error
		Expect(errors.As(err, &failure)).To(BeTrue())
		Expect(failure.Offset).To(Equal(int64(6)))
		Expect(err.Error()).To(ContainSubstring(`stage "work"`))
		Expect(w.committed(topic, 0)).To(Equal(int64(1)), "only message 0")
	})

	onEach("by default the first failed message halts it", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(10)...)
		r := w.start(topic, func(b burrow.Builder) burrow.Builder { return b.WithWorkers(1).Stage(failingAt(4)) })
		Expect(r.wait()).To(MatchError(burrow.ThresholdExceeded))
		Expect(w.committed(topic, 0)).To(Equal(int64(4)))
	})

	onEach("a window that is full behind a failed message halts it too: it never stalls in silence", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(100)...)
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithMaxConsecutiveErrors(5).WithMaxInFlight(20).Stage(failingAt(30))
		})
		Expect(r.wait()).To(MatchError(burrow.WindowBlocked))
		Expect(w.committed(topic, 0)).To(Equal(int64(30)))
	})

	onEach("a panic is a failed message with its stack, and not a dead process", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(3)...)
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithWorkers(1).Stage(stage.Func(briefly)).Stage(stage.Named("risky", stage.Func(func(_ context.Context, m stage.Message) (stage.Message, error) {
				if m.Position().Offset == 1 {
					panic(errWork)
				}
				return m, nil
			})))
		})
		err := r.wait()
		Expect(err).To(And(MatchError(errWork), MatchError(ContainSubstring(`stage "risky": panic`))))
		var caught *stage.PanicError
		Expect(errors.As(err, &caught)).To(BeTrue())
		Expect(string(caught.Stack)).To(ContainSubstring("failures_test.go"))
		Expect(w.committed(topic, 0)).To(Equal(int64(1)))
	})

	onMemory("a failed message blocks its key: nothing behind it runs before it", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(40, "a", "b")...)
		var seen record
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithMaxConsecutiveErrors(5).Stage(seen.stage()).Stage(failingAt(10))
		})
		eventually("all of key b, and of key a up to the failure", func() bool { return r.Stats().Processed == 25 })
		time.Sleep(time.Minute)
		Expect(seen.offsets(0)).To(HaveLen(26))
		Expect(seen.offsets(0)).NotTo(ContainElement(int64(12)))
		Expect(r.stop()).To(Succeed())
		Expect(w.committed(topic, 0)).To(Equal(int64(10)))
	})

	onMemory("a frozen partition leaves the others alone, says why, and resumes from the failed message", func(w *world) {
		topic := w.topic(2)
		for p := range int32(2) {
			w.produce(topic, p, numbered(50)...)
		}
		var mended atomic.Bool
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithFailureMode(burrow.Freeze).WithWorkers(1).Stage(stage.Func(func(_ context.Context, m stage.Message) (stage.Message, error) {
				if m.Position().Partition == 1 && m.Position().Offset == 20 && !mended.Load() {
					return nil, errWork
				}
				return m, nil
			}))
		})
		w.eventuallyCommitted(topic, 0, 50)
		w.eventuallyCommitted(topic, 1, 20)
		Expect(r.Health()).To(MatchError(ContainSubstring("frozen")))
		Expect(r.Explain(topic, 1)).To(And(HaveField("Offset", int64(20)), HaveField("State", "failed"), HaveField("LastError", MatchError(errWork))))
		mended.Store(true)
		Expect(r.ResumeClaim(topic, 1)).To(Succeed())
		w.eventuallyCommitted(topic, 1, 50)
		Expect(r.Health()).To(Succeed())
		Expect(r.stop()).To(Succeed())
	})

	onMemory("a strategy may give a failed message up after a time, which is counted", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(50)...)
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithMaxConsecutiveErrors(5).WithCommitStrategy(offsets.SkipFailures{After: 20 * time.Second}).Stage(failingAt(20))
		})
		time.Sleep(19 * time.Second)
		Expect(w.committed(topic, 0)).To(Equal(int64(20)))
		w.eventuallyCommitted(topic, 0, 50)
		Expect(r.Stats().Passed).To(Equal(int64(1)))
		Expect(r.stop()).To(Succeed())
	})
})

var _ = Describe("A message leaves the window only by success, an acknowledged dead letter, or Skip", func() {
	onEach("what retries can't save is stored as a dead letter with its origin, and only then resolved", func(w *world) {
		topic, dead := w.topic(1), w.topic(1)
		w.produce(topic, 0, numbered(10, "k")...)
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.Use(middleware.DeadLetter(w, dead), middleware.Retry(retry.Linear{Step: time.Millisecond}, 3)).Stage(failingAt(4))
		})
		w.eventuallyCommitted(topic, 0, 10)
		s := r.Stats()
		Expect([]int64{s.Processed, s.DeadLettered, s.Retried, s.Failed}).To(Equal([]int64{9, 1, 2, 0}))
		Expect(r.stop()).To(Succeed())
		letters := make(chan stage.Message, 1)
		reader := w.start(dead, func(b burrow.Builder) burrow.Builder {
			return b.Stage(stage.Func(func(_ context.Context, m stage.Message) (stage.Message, error) {
				letters <- m
				return m, nil
			}))
		})
		m := <-letters
		letter, err := middleware.ParseDeadLetter(m.Headers())
		Expect(err).NotTo(HaveOccurred())
		Expect(letter.Position).To(Equal(stage.Position{Topic: topic, Offset: 4}))
		Expect(letter.Attempts).To(Equal(3))
		Expect(string(m.Value())).To(Equal("4"))
		Expect(string(m.Key())).To(Equal("k"))
		Expect(reader.stop()).To(Succeed())
	})

	onMemory("a dead letter that can't be published fails its message, with both errors", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(10)...)
		down := errors.New("the dead-letter topic is down")
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.Use(middleware.DeadLetter(publisherFunc(func() error { return down }), "dead")).WithWorkers(1).Stage(failingAt(4))
		})
		err := r.wait()
		Expect(err).To(And(MatchError(errWork), MatchError(down)))
		Expect(w.committed(topic, 0)).To(Equal(int64(4)))
	})

	onEach("a stage that says Skip resolves its message, and the stages behind it don't run", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(10)...)
		var seen record
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.Stage(stage.Filter(func(value []byte) bool { return string(value) != "3" })).Stage(seen.stage())
		})
		eventually("all", func() bool { return r.Stats().Processed == 9 })
		Expect(r.Stats().Skipped).To(Equal(int64(1)))
		Expect(seen.offsets(0)).NotTo(ContainElement(int64(3)))
		Expect(r.stop()).To(Succeed())
		Expect(w.committed(topic, 0)).To(Equal(int64(10)))
	})
})

type publisherFunc func() error

func (f publisherFunc) Publish(context.Context, string, []byte, []byte, stage.Headers) error {
	return f()
}
