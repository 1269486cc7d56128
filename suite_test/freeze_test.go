package suite_test

import (
	"context"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/pipeline"
	"github.com/vlab-research/burrow/stage"
)

var _ = Describe("With Freeze only the partition that failed stops, stays owned, and tries again when told", func() {
	onEach("all its failed messages, in their order, as often as it takes", func(w *world) {
		topic := w.topic(2)
		for p := range int32(2) {
			w.produce(topic, p, numbered(60)...)
		}
		var broken atomic.Bool
		broken.Store(true)
		var tried record
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithFailureMode(burrow.Freeze).WithMaxConsecutiveErrors(2).WithWorkers(1).
				Stage(stage.Named("save", stage.Func(func(_ context.Context, m stage.Message) (stage.Message, error) {
					bad := m.Position().Offset == 20 || m.Position().Offset == 21
					if m.Position().Partition == 1 && bad {
						tried.note(m)
						if broken.Load() {
							return nil, errWork
						}
					}
					return m, nil
				})))
		})
		w.eventuallyCommitted(topic, 0, 60)
		w.eventuallyCommitted(topic, 1, 20)
		eventually("the freeze", func() bool { return r.frozen(1) })
		Expect(r.Health()).To(And(MatchError(pipeline.ErrFrozen), MatchError(MatchRegexp(topic+`/1 since \d{4}-.*`+topic+`/1@21: stage "save"`))))
		Expect(r.Stats().Partitions[1].Received).To(BeNumerically("<=", 60), "it is still owned")

		Expect(r.ResumeClaim(topic, 1)).To(Succeed())
		eventually("the second freeze", func() bool { return len(tried.all()) == 4 && r.frozen(1) })
		Expect(w.committed(topic, 1)).To(Equal(int64(20)))

		broken.Store(false)
		Expect(r.ResumeClaim(topic, 1)).To(Succeed())
		w.eventuallyCommitted(topic, 1, 60)
		Expect(offsetsOf(tried.all())).To(Equal([]int64{20, 21, 20, 21, 20, 21}), "from the failed message, in order")
		Expect(r.Health()).To(Succeed())
		Expect(r.stop()).To(Succeed())
	})

	onMemory("a window that is full behind a failed message freezes with that reason", func(w *world) {
		topic := w.topic(2)
		for p := range int32(2) {
			w.produce(topic, p, numbered(200)...)
		}
		var broken atomic.Bool
		broken.Store(true)
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithFailureMode(burrow.Freeze).WithMaxConsecutiveErrors(5).WithMaxInFlight(50).
				Stage(stage.Func(func(_ context.Context, m stage.Message) (stage.Message, error) {
					if m.Position().Partition == 1 && m.Position().Offset == 30 && broken.Load() {
						return nil, errWork
					}
					return m, nil
				}))
		})
		w.eventuallyCommitted(topic, 0, 200)
		eventually("the freeze", func() bool { return r.frozen(1) })
		Expect(r.Health()).To(And(MatchError(pipeline.ErrFrozen), MatchError(ContainSubstring(burrow.WindowBlocked.Error()))))
		Expect(w.committed(topic, 1)).To(Equal(int64(30)))
		broken.Store(false)
		r.Resume()
		w.eventuallyCommitted(topic, 1, 200)
		Expect(r.stop()).To(Succeed())
	})

	onMemory("a shutdown while it is frozen commits up to the failed message, which the next run gets again", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(50)...)
		freezing := func(b burrow.Builder) burrow.Builder {
			return b.WithFailureMode(burrow.Freeze).WithWorkers(1).WithCommitInterval(time.Hour).Stage(failingAt(20))
		}
		r := w.start(topic, freezing)
		eventually("the freeze", func() bool { return r.frozen(0) })
		Expect(r.stop()).To(Succeed())
		Expect(w.committed(topic, 0)).To(Equal(int64(20)))
		var seen record
		again := w.start(topic, func(b burrow.Builder) burrow.Builder { return b.Stage(seen.stage()) })
		w.eventuallyCommitted(topic, 0, 50)
		Expect(seen.offsets(0)[0]).To(Equal(int64(20)))
		Expect(again.stop()).To(Succeed())
	})
})

// frozen tells whether a partition is, of those that the run has.
func (r *run) frozen(partition int32) bool {
	for _, s := range r.Stats().Partitions {
		if s.Partition == partition {
			return s.Frozen
		}
	}
	return false
}

func offsetsOf(positions []stage.Position) []int64 {
	list := make([]int64, len(positions))
	for i, pos := range positions {
		list[i] = pos.Offset
	}
	return list
}
