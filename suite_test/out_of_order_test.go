package suite_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/vlab-research/burrow"
)

var _ = Describe("Messages finish in any order, and commits stay in order", func() {
	onEach("five messages that finish as 0, 2, 4, 1, 3 are committable at 0, 0, 0, 2, 4", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(5)...)
		g := newGate()
		r := w.start(topic, func(b burrow.Builder) burrow.Builder { return b.WithWorkers(5).Stage(g) })
		g.inFlight(5)
		for i, step := range []struct{ finish, committable int64 }{{0, 0}, {2, 0}, {4, 0}, {1, 2}, {3, 4}} {
			g.finish(topic, 0, step.finish, nil)
			eventually("the message's end", func() bool { return r.Stats().Processed == int64(i+1) })
			Expect(r.Stats().Partitions[0].Committable).To(Equal(step.committable), "after %d", step.finish)
		}
		Expect(r.stop()).To(Succeed())
		Expect(w.committed(topic, 0)).To(Equal(int64(5)))
	})

	onEach("what is finished behind a gap is not committed, also not at the end", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(5)...)
		g := newGate()
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithWorkers(5).WithDrainTimeout(1).Stage(g)
		})
		for _, offset := range []int64{0, 1, 3, 4} {
			g.finish(topic, 0, offset, nil)
		}
		eventually("their ends", func() bool { return r.Stats().Processed == 4 })
		Expect(r.stop()).To(MatchError(burrow.DrainTimeout))
		Expect(w.committed(topic, 0)).To(Equal(int64(2)))
	})
})
