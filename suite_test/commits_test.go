package suite_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/source/memory"
	"github.com/vlab-research/burrow/stage"
)

var _ = Describe("Commits are made on an interval and on a batch size, whichever comes first", func() {
	commits := func(w *world) []memory.Commit { return w.backend.(*memoryBackend).Commits(group) }

	onMemory("at the batch size, long before the interval", func(w *world) {
		topic := w.topic(1)
		w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithCommitBatch(10).WithCommitInterval(time.Hour).Stage(stage.Func(briefly))
		})
		w.produce(topic, 0, numbered(9)...)
		time.Sleep(time.Minute)
		Expect(commits(w)).To(BeEmpty())
		w.produce(topic, 0, numbered(1)...)
		time.Sleep(time.Second)
		Expect(commits(w)).To(HaveExactElements(HaveField("Next", int64(10))))
		w.produce(topic, 0, numbered(25)...)
		time.Sleep(time.Second)
		Expect(w.committed(topic, 0)).To(BeNumerically(">", 35-10), "less than a batch is left")
	})

	onMemory("at the interval, with less than a batch", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(9)...)
		w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithCommitBatch(1000).WithCommitInterval(5 * time.Second).Stage(stage.Func(briefly))
		})
		time.Sleep(4900 * time.Millisecond)
		Expect(commits(w)).To(BeEmpty())
		time.Sleep(200 * time.Millisecond)
		Expect(commits(w)).To(HaveExactElements(HaveField("Next", int64(9))))
		time.Sleep(time.Minute)
		Expect(commits(w)).To(HaveLen(1), "nothing new, nothing committed")
	})

	onMemory("at both at once, without a double commit", func(w *world) {
		topic := w.topic(1)
		w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithCommitBatch(10).WithCommitInterval(time.Second).Stage(stage.Func(briefly))
		})
		for range 10 { // a batch settles just when the interval ends
			time.Sleep(time.Second - workTime)
			w.produce(topic, 0, numbered(10)...)
			time.Sleep(workTime)
		}
		time.Sleep(5 * time.Second)
		seen := make(map[int64]bool)
		for _, c := range commits(w) {
			Expect(seen[c.Next]).To(BeFalse(), "offset %d was committed twice", c.Next)
			seen[c.Next] = true
		}
		Expect(w.committed(topic, 0)).To(Equal(int64(100)))
	})

	onEach("one request takes all partitions, and no partition waits for another", func(w *world) {
		topic := w.topic(4)
		g := newGate()
		for p := range int32(4) {
			w.produce(topic, p, numbered(10)...)
		}
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithWorkers(40).WithOrdering(burrow.Unordered).WithCommitInterval(100 * time.Millisecond).Stage(g)
		})
		g.inFlight(40)
		for p := range int32(3) { // partition 3 hangs
			for offset := range int64(10) {
				g.finish(topic, p, offset, nil)
			}
		}
		for p := range int32(3) {
			w.eventuallyCommitted(topic, p, 10)
		}
		Expect(w.committed(topic, 3)).To(BeZero())
		for offset := range int64(10) {
			g.finish(topic, 3, offset, nil)
		}
		w.eventuallyCommitted(topic, 3, 10)
		Expect(r.stop()).To(Succeed())
	})

	onEach("a start without a commit reads from the oldest message, and pins its start by a commit", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(5)...)
		g := newGate()
		r := w.start(topic, func(b burrow.Builder) burrow.Builder { return b.WithWorkers(5).WithDrainTimeout(time.Second).Stage(g) })
		g.inFlight(5)
		Expect(w.hasCommit(topic, 0)).To(BeTrue(), "before the first message is resolved")
		r.crash()
		var again record
		w.start(topic, func(b burrow.Builder) burrow.Builder { return b.Stage(again.stage()) })
		w.eventuallyCommitted(topic, 0, 5)
		Expect(again.offsets(0)).To(Equal(upTo(5)))
	})

	onEach("holes in the offsets, as compaction and transactions leave them, don't hold a commit", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(3)...)
		w.hole(topic, 0)
		w.produce(topic, 0, numbered(3)...)
		w.hole(topic, 0)
		w.produce(topic, 0, numbered(3)...)
		var seen record
		r := w.start(topic, func(b burrow.Builder) burrow.Builder { return b.Stage(seen.stage()) })
		w.eventuallyCommitted(topic, 0, w.end(topic, 0))
		offsets := seen.offsets(0)
		Expect(int64(len(offsets))).To(BeNumerically("<", offsets[len(offsets)-1]+1), "there were holes")
		Expect(r.stop()).To(Succeed())
	})
})
