package suite_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/stage"
)

var _ = Describe("A revoked partition is handed over in order", func() {
	// moved waits until a second member owns one of the two partitions, and returns which.
	moved := func(w *world, second *run) (partition int32) {
		eventually("the hand-over", func() bool {
			if s := second.Stats(); len(s.Partitions) == 1 {
				partition = s.Partitions[0].Partition
				return true
			}
			return false
		})
		return partition
	}

	onEach("five messages in flight are waited for, the prefix is committed, and none is lost or repeated", func(w *world) {
		topic := w.topic(2)
		for p := range int32(2) {
			w.produce(topic, p, numbered(5)...)
		}
		g := newGate()
		var seen, later record
		first := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithWorkers(10).WithOrdering(burrow.Unordered).Stage(seen.stage()).Stage(g)
		})
		g.inFlight(10)
		second := w.start(topic, func(b burrow.Builder) burrow.Builder { return b.Stage(later.stage()) })
		eventually("the rebalance", func() bool { return draining(first) == 1 })
		Expect(later.all()).To(BeEmpty(), "the next owner waits")
		for _, p := range []int32{0, 1} {
			for _, offset := range []int64{3, 1, 4, 0, 2} {
				g.finish(topic, p, offset, nil)
			}
		}
		p := moved(w, second)
		w.eventuallyCommitted(topic, p, 5)
		w.produce(topic, p, numbered(2)...)
		eventually("new messages at the new owner", func() bool { return second.Stats().Processed == 2 })
		Expect(later.offsets(p)).To(Equal([]int64{5, 6}))
		Expect(seen.offsets(p)).To(Equal(upTo(5)))
		Expect(second.stop()).To(Succeed())
		Expect(first.stop()).To(Succeed())
		Expect(w.committed(topic, 1-p)).To(Equal(int64(5)))
	})

	onEach("one that never ends: the drain times out, the prefix is committed, the late result changes nothing", func(w *world) {
		topic := w.topic(2)
		for p := range int32(2) {
			w.produce(topic, p, numbered(5)...)
		}
		release := make(chan struct{})
		late := make(chan error, 2)
		var later record
		first := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithWorkers(10).WithOrdering(burrow.Unordered).WithDrainTimeout(time.Second).
				Stage(stage.Func(func(ctx context.Context, m stage.Message) (stage.Message, error) {
					if m.Position().Offset == 2 {
						<-release // whatever its context says
						late <- context.Cause(ctx)
					}
					return m, nil
				}))
		})
		eventually("all but two", func() bool { return first.Stats().Processed == 8 })
		second := w.start(topic, func(b burrow.Builder) burrow.Builder { return b.Stage(later.stage()) })
		p := moved(w, second)
		eventually("the messages again", func() bool { return second.Stats().Processed == 3 })
		Expect(later.offsets(p)).To(Equal([]int64{2, 3, 4}))
		close(release)
		Expect([]error{<-late, <-late}).To(ContainElement(MatchError(burrow.PartitionRevoked)))
		eventually("the late result", func() bool { return first.Stats().Late == 1 })
		Expect(second.stop()).To(Succeed())
		Expect(first.stop()).To(Succeed())
		Expect(w.committed(topic, p)).To(Equal(int64(5)))
	})

	onEach("partitions that stay are not disturbed", func(w *world) {
		topic := w.topic(2)
		for p := range int32(2) {
			w.produce(topic, p, numbered(5)...)
		}
		g := newGate()
		var seen record
		first := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithOrdering(burrow.Unordered).Stage(seen.stage()).Stage(g)
		})
		g.inFlight(10)
		second := w.start(topic, func(b burrow.Builder) burrow.Builder { return b.Stage(stage.Func(briefly)) })
		eventually("the rebalance", func() bool { return draining(first) == 1 })
		for _, p := range []int32{0, 1} {
			for offset := range int64(5) {
				g.finish(topic, p, offset, nil)
			}
		}
		kept := 1 - moved(w, second)
		w.eventuallyCommitted(topic, kept, 5)
		Expect(seen.offsets(kept)).To(Equal(upTo(5)), "each once, by the same owner")
		Expect(second.stop()).To(Succeed())
		Expect(first.stop()).To(Succeed())
	})
})

// draining counts the partitions of a run that are being given up.
func draining(r *run) int {
	n := 0
	for _, p := range r.Stats().Partitions {
		if p.Draining {
			n++
		}
	}
	return n
}
