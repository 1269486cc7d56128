package soak_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/source/memory"
	"github.com/vlab-research/burrow/stage"
)

const (
	parkingWorkers    = 4
	parkingPartitions = 8
	parkingTopic      = "parking"
	parkingWork       = 500 * time.Microsecond
	// parkingGoroutines is what a run has beside its parked messages and workers: readers,
	// committer, monitor, source, the test.
	parkingGoroutines = 40
	parkingHeap       = 6 << 10 // bytes a parked message, the aim
)

// TestParkedMessagesHoldNoWorkers is task soak:parking.
func TestParkedMessagesHoldNoWorkers(t *testing.T) {
	var working, quick pairs
	for range sized(3, 1) {
		for _, speeds := range []*pairs{&working, &quick} {
			work := parkingWork
			if speeds == &quick {
				work = 0
			}
			speeds.without = append(speeds.without, newParkingLot(t, 0, work).run(t))
			speeds.with = append(speeds.with, newParkingLot(t, sized(10_000, 500), work).run(t))
		}
	}
	working.judge(t, "others with work while thousands are parked", 0.95)
	quick.judge(t, "others without work while thousands are parked", 0)
}

// parkingLot is a pipeline of which some messages are parked for long.
type parkingLot struct {
	broker *memory.Broker
	parked int
	others int
	work   time.Duration
	wait   time.Duration

	processed []atomic.Int32
	left      atomic.Int64
	ended     time.Time
	done      chan struct{}
}

func newParkingLot(t *testing.T, parked int, work time.Duration) *parkingLot {
	t.Helper()
	l := &parkingLot{
		broker: memory.NewBroker(), parked: parked, others: sized(100_000, 1_000), work: work,
		wait: sized(time.Minute, 2*time.Second), done: make(chan struct{}),
	}
	if full() && work == 0 {
		l.wait = 15 * time.Second // the others need less than a second
	}
	l.broker.CreateTopic(parkingTopic, parkingPartitions)
	l.processed = make([]atomic.Int32, parked+l.others)
	l.left.Store(int64(l.others))
	return l
}

func (l *parkingLot) handle(ctx context.Context, m stage.Message) (stage.Message, error) {
	i := numberOf(m.Value())
	if i < l.parked {
		if err := stage.Park(ctx, l.wait); err != nil {
			return nil, err
		}
		l.processed[i].Add(1)
		return m, nil
	}
	if l.work > 0 {
		time.Sleep(l.work)
	}
	l.processed[i].Add(1)
	if l.left.Add(-1) == 0 {
		l.ended = time.Now()
		close(l.done)
	}
	return m, nil
}

// produce stores the messages from one number up to another.
func (l *parkingLot) produce(from, to int) {
	batches := make([][]stage.Message, parkingPartitions)
	for i := from; i < to; i++ {
		batches[i%parkingPartitions] = append(batches[i%parkingPartitions], stage.New(keyOf(i), valueOf(i)))
	}
	for p, batch := range batches {
		l.broker.ProduceTo(parkingTopic, int32(p), batch...)
	}
}

// run parks what is to be parked, and returns at how many messages a second the others go through.
func (l *parkingLot) run(t *testing.T) float64 {
	t.Helper()
	p, stop := start(t, burrow.New().From(l.broker.Source("soak", []string{parkingTopic})).
		WithWorkers(parkingWorkers).WithMaxInFlight(l.parked+l.others).Stage(stage.Func(l.handle)))
	until(t, "assigned", func() bool { return p.Health() == nil })
	l.produceInWindow(t, p)
	p.Pause()
	l.produce(l.parked, l.parked+l.others)
	runtime.GC()
	began := time.Now()
	p.Resume()
	await(t, "all others processed", p, l.done)
	speed := float64(l.others) / l.ended.Sub(began).Seconds()
	if parked := p.Stats().Parked; parked != l.parked {
		t.Errorf("%d were parked at the end, want %d: the wait was too short to show anything", parked, l.parked)
	}
	total := int64(l.parked + l.others)
	until(t, "all processed", func() bool { return p.Stats().Processed == total })
	stop()
	for i := range l.processed {
		if n := l.processed[i].Load(); n != 1 {
			t.Fatalf("message %d was processed %d times", i, n)
		}
	}
	return speed
}

// produceInWindow parks messages and prints what each costs.
func (l *parkingLot) produceInWindow(t *testing.T, p *burrow.Pipeline) {
	t.Helper()
	if l.parked == 0 {
		return
	}
	before := footprint()
	l.produce(0, l.parked)
	stored := footprint() // what the broker and the test hold of them is not the pipeline's; some may be parked already
	until(t, "all parked", func() bool { return p.Stats().Parked == l.parked })
	after := footprint()
	if limit := l.parked + parkingWorkers + parkingGoroutines; after.goroutines > limit {
		t.Errorf("%d goroutines for %d parked messages, limit %d", after.goroutines, l.parked, limit)
	}
	each := func(a, b uint64) int64 { return (int64(a) - int64(b)) / int64(l.parked) }
	heap, stack := each(after.heap, before.heap), each(after.stack, before.stack)
	t.Logf("a parked message takes %d bytes of heap (the message in the broker included) and %d of stack; %d goroutines (%d before, %d right after producing)",
		heap, stack, after.goroutines, before.goroutines, stored.goroutines)
	if full() && heap+stack > parkingHeap {
		t.Errorf("a parked message takes %d bytes, the aim is %d", heap+stack, parkingHeap)
	}
}

type memoryUse struct {
	heap, stack uint64
	goroutines  int
}

func footprint() memoryUse {
	runtime.GC()
	runtime.GC() // what finalizers and pools let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return memoryUse{m.HeapAlloc, m.StackInuse, runtime.NumGoroutine()}
}
