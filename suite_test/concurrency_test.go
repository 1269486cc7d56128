package suite_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/stage"
)

var _ = Describe("Many messages are processed at once, each exactly once", func() {
	onMemory("1 000 messages that arrive at 10 000 a second, 1–100 ms of work each, 100 workers", func(w *world) {
		topic := w.topic(1)
		var seen record
		began := time.Now()
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithWorkers(100).WithOrdering(burrow.Unordered).WithCommitInterval(10 * time.Millisecond).
				Stage(stage.Func(randomWork)).Stage(seen.stage())
		})
		for range 1000 {
			w.produce(topic, 0, numbered(1)...)
			time.Sleep(100 * time.Microsecond)
		}
		eventually("all", func() bool { return r.Stats().Processed == 1000 })
		Expect(time.Since(began)).To(BeNumerically("<", 2*time.Second), "one at a time it would be 50 s")
		Expect(seen.offsets(0)).To(Equal(upTo(1000)))
		Expect(r.stop()).To(Succeed())
		last := int64(0)
		for _, c := range w.backend.(*memoryBackend).Commits(group) {
			Expect(c.Next).To(BeNumerically(">", last), "commits only go up")
			last = c.Next
		}
		Expect(last).To(Equal(int64(1000)))
	})

	onEach("10 000 messages with random delays on 8 partitions", func(w *world) {
		topic := w.topic(8)
		for p := range int32(8) {
			w.produce(topic, p, numbered(1250, keys(100)...)...)
		}
		var seen record
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithWorkers(100).Stage(stage.Func(func(ctx context.Context, m stage.Message) (stage.Message, error) {
				time.Sleep(time.Duration(rand.IntN(10)) * time.Millisecond) // the work
				return m, nil
			})).Stage(seen.stage())
		})
		for p := range int32(8) {
			w.eventuallyCommitted(topic, p, 1250)
			Expect(seen.offsets(p)).To(Equal(upTo(1250)))
		}
		Expect(r.stop()).To(Succeed())
	})
})

var _ = Describe("Memory and goroutines don't grow with the number of messages", func() {
	onMemory("1 000 000 messages with commits every 5 s leave the heap and the goroutines as they were", func(w *world) {
		topic := w.topic(4)
		open := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(open) }) // until then windows, and what they have in store, reach their size
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithWorkers(50).WithCommitInterval(5 * time.Second).Stage(stage.Func(func(_ context.Context, m stage.Message) (stage.Message, error) {
				<-open
				if m.Position().Offset%1000 == 0 {
					time.Sleep(10 * time.Millisecond)
				}
				return m, nil
			}))
		})
		broker := w.backend.(*memoryBackend)
		produced := int64(0)
		round := func() {
			for p := range int32(4) {
				w.produce(topic, p, numbered(5000, keys(50)...)...)
			}
			produced += 5000
			time.Sleep(6 * time.Second)
			for p := range int32(4) {
				Expect(w.committed(topic, p)).To(Equal(produced))
				broker.Trim(topic, p, produced)
			}
		}
		for range 5 {
			round()
		}
		heap, goroutines := footprint()
		for range 45 {
			round()
		}
		Expect(r.Stats().Processed).To(Equal(int64(1_000_000)))
		heapAfter, goroutinesAfter := footprint()
		Expect(heapAfter).To(BeNumerically("<", heap+2<<20), "bytes of heap")
		Expect(goroutinesAfter).To(BeNumerically("<=", goroutines+5))
		Expect(r.stop()).To(Succeed())
	})
})

func footprint() (heap uint64, goroutines int) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, runtime.NumGoroutine()
}

// randomWork takes 1 to 100 ms.
func randomWork(_ context.Context, m stage.Message) (stage.Message, error) {
	time.Sleep(time.Duration(1+rand.IntN(100)) * time.Millisecond)
	return m, nil
}
