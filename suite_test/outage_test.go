package suite_test

import (
	"context"
	"runtime/metrics"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/pipeline"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

// dependency is what a handler needs, and can be down.
type dependency struct {
	down  atomic.Bool
	calls atomic.Int64
}

func (d *dependency) Process(_ context.Context, m stage.Message) (stage.Message, error) {
	d.calls.Add(1)
	time.Sleep(workTime)
	if d.down.Load() {
		return nil, errWork
	}
	return m, nil
}

var _ = Describe("An outage of a dependency behind a Breaker costs nothing but time", func() {
	onMemory("a total one of an hour loses no message, grows nothing, fills no dead-letter topic, and ends within one probe interval", func(w *world) {
		const partitions, each, window, workers = 4, 2000, 500, 16
		topic := w.topic(partitions)
		for p := range int32(partitions) {
			w.produce(topic, p, numbered(each, keys(50)...)...)
		}
		var service dependency
		var letters atomic.Int64
		var resolved record
		dead := publisherFunc(func() error { letters.Add(1); return nil })
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithWorkers(workers).WithMaxInFlight(window).WithCommitInterval(time.Second).
				Use(middleware.DeadLetter(dead, "dead"), middleware.Retry(retry.Linear{Step: time.Second}, 2)).
				Use(middleware.Breaker("service", middleware.ProbeInterval(10*time.Second))).
				Stage(stage.Named("call", &service)).Stage(resolved.stage())
		})
		eventually("some work", func() bool { return r.Stats().Processed > 1000 })

		service.down.Store(true)
		time.Sleep(5 * time.Minute)
		calls := service.calls.Load()
		before := r.Stats()
		heap, goroutines := footprint()
		Expect(before.Parked).To(BeNumerically(">", partitions*10), "keys that wait for the service")
		Expect(before.Partitions[0].ParkedBy).To(HaveKeyWithValue("breaker", before.Partitions[0].Parked), "why they wait")
		Expect(goroutines).To(BeNumerically("<=", before.Parked+workers+100))
		Expect(r.Health()).To(MatchError(pipeline.ErrStalled))
		Expect(r.Health()).To(MatchError(ContainSubstring(`parked (breaker)`)))

		starts := goroutineStarts()
		time.Sleep(55 * time.Minute)
		Expect(goroutineStarts()-starts).To(BeNumerically("<", 200_000), "nothing polls: once each millisecond would be 3 300 000 times")
		probes := service.calls.Load() - calls
		Expect(probes).To(BeNumerically("~", 55*6, 10), "one probe each ten seconds")
		Expect(r.Stats().Retried-before.Retried).To(BeNumerically("<=", probes), "only a try counts as a retry")
		heapAfter, goroutinesAfter := footprint()
		Expect(heapAfter).To(BeNumerically("<", heap+256<<10), "bytes of heap")
		Expect(goroutinesAfter).To(BeNumerically("<=", goroutines+2))
		Expect(r.Stats().Processed).To(Equal(before.Processed))

		service.down.Store(false)
		time.Sleep(10*time.Second + 10*workTime)
		Expect(r.Stats().Processed).To(BeNumerically(">", before.Processed), "work within one probe interval")
		for p := range int32(partitions) {
			w.eventuallyCommitted(topic, p, each)
			Expect(resolved.offsets(p)).To(Equal(upTo(each)))
		}
		s := r.Stats()
		Expect([]int64{s.Failed, s.DeadLettered, letters.Load()}).To(Equal([]int64{0, 0, 0}))
		Expect(r.Health()).To(Succeed())
		Expect(r.stop()).To(Succeed())
	})

	onMemory("a shutdown or a revocation in the midst of one lets go what is parked at once, uncommitted", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(100)...)
		var service dependency
		service.down.Store(true)
		build := func(b burrow.Builder) burrow.Builder {
			return b.Use(middleware.Retry(retry.Linear{Step: time.Second}, 3)).
				Use(middleware.Breaker("service", middleware.ProbeInterval(time.Hour))).Stage(&service)
		}
		r := w.start(topic, build)
		eventually("all parked", func() bool { return r.Stats().Parked == 100 })
		began := time.Now()
		Expect(r.stop()).To(Succeed())
		Expect(time.Since(began)).To(BeNumerically("<", time.Second))
		Expect(w.hasCommit(topic, 0) && w.committed(topic, 0) > 0).To(BeFalse())
		service.down.Store(false)
		again := w.start(topic, build)
		w.eventuallyCommitted(topic, 0, 100)
		Expect(again.stop()).To(Succeed())
	})
})

// goroutineStarts is about how often any goroutine was given a processor so far; the
// runtime looks at one in eight.
func goroutineStarts() (n uint64) {
	sample := []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	metrics.Read(sample)
	for _, count := range sample[0].Value.Float64Histogram().Counts {
		n += 8 * count
	}
	return n
}
