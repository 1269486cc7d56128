package suite_test

import (
	"context"
	"strconv"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

// batches notes the batches that a function was given.
type batches struct {
	mu    sync.Mutex
	calls [][]int
	bad   map[int]int // how often these numbers fail
}

func (b *batches) save(_ context.Context, numbers []int) []error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, numbers)
	results := make([]error, len(numbers))
	for i, n := range numbers {
		if b.bad[n] > 0 {
			b.bad[n]--
			results[i] = errWork
		}
	}
	return results
}

func (b *batches) sizes() []int {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := []int{}
	for _, call := range b.calls {
		list = append(list, len(call))
	}
	return list
}

func (b *batches) numbers() (all []int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, call := range b.calls {
		all = append(all, call...)
	}
	return all
}

func decodeNumber(value []byte) (int, error) { return strconv.Atoi(string(value)) }

var _ = Describe("A batch gives each record its own fate", func() {
	onMemory("one bad record is tried again alone, and another dead-lettered alone, the rest are done at once", func(w *world) {
		topic, dead := w.topic(1), w.topic(1)
		w.produce(topic, 0, numbered(100)...)
		b := &batches{bad: map[int]int{7: 1, 42: 1000}}
		r := w.start(topic, func(p burrow.Builder) burrow.Builder {
			return p.WithWorkers(1).
				Use(middleware.DeadLetter(w, dead), middleware.Retry(retry.Linear{Step: 10 * time.Second}, 3)).
				Stage(stage.Decode(decodeNumber)).Stage(stage.Batch(25, time.Second, b.save))
		})
		time.Sleep(time.Second)
		Expect(b.sizes()).To(Equal([]int{25, 25, 25, 25}))
		Expect(r.Stats().Processed).To(Equal(int64(98)))
		w.eventuallyCommitted(topic, 0, 7)
		eventually("the rest", func() bool { time.Sleep(time.Minute); return r.Stats().DeadLettered == 1 })
		w.eventuallyCommitted(topic, 0, 100)
		Expect(b.sizes()).To(Equal([]int{25, 25, 25, 25, 2, 1}), "first both again, then only the bad one")
		Expect(w.letters(dead, 0)).To(Equal([]int64{42}))
		Expect(r.stop()).To(Succeed())
	})

	onMemory("one that waits for records parks them, and is flushed at once by a shutdown", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(10)...)
		b := &batches{}
		r := w.start(topic, func(p burrow.Builder) burrow.Builder {
			return p.WithWorkers(1).Stage(stage.Decode(decodeNumber)).Stage(stage.Batch(100, time.Hour, b.save))
		})
		eventually("all parked", func() bool { return r.Stats().Parked == 10 })
		Expect(r.Stats().Partitions[0].ParkedBy).To(Equal(map[string]int{"batch": 10}))
		began := time.Now()
		Expect(r.stop()).To(Succeed())
		Expect(time.Since(began)).To(BeNumerically("<", time.Second))
		Expect(b.sizes()).To(Equal([]int{10}), "done and committed, not thrown away")
		Expect(w.committed(topic, 0)).To(Equal(int64(10)))
	})

	onMemory("by key it holds at most one record of a key", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(60, "a", "b", "c")...)
		b := &batches{}
		r := w.start(topic, func(p burrow.Builder) burrow.Builder {
			return p.Stage(stage.Decode(decodeNumber)).Stage(stage.Batch(3, time.Second, b.save))
		})
		w.eventuallyCommitted(topic, 0, 60)
		for _, call := range b.calls {
			keys := map[int]bool{}
			for _, n := range call {
				Expect(keys[n%3]).To(BeFalse(), "two of a key in %v", call)
				keys[n%3] = true
			}
		}
		Expect(b.numbers()).To(HaveLen(60))
		Expect(r.stop()).To(Succeed())
	})
})
