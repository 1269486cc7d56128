package pipeline

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// blocks is a claim whose messages come in blocks, when the benchmark says so.
type blocks struct {
	*fakeClaim
	msgs      []numbered // used again and again
	next, end int64      // the reader's
	told      bool
	more      chan int64    // how many messages the next block has
	taken     chan struct{} // a block was received and each of its messages queued or run
}

// newBlocks makes n messages, the i-th with the key that keyOf gives it; a negative one is none.
func newBlocks(n int, keyOf func(i int) int) *blocks {
	c := &blocks{fakeClaim: newFakeClaim(0, 0), msgs: make([]numbered, n), told: true, more: make(chan int64, 1), taken: make(chan struct{}, 1)}
	for i := range c.msgs {
		var key []byte
		if k := keyOf(i); k >= 0 {
			key = binary.BigEndian.AppendUint32(nil, uint32(k))
		}
		c.msgs[i] = numbered{stage.New(key, make([]byte, 100)), stage.Position{Topic: "t"}}
	}
	return c
}

func (c *blocks) Receive(into []source.Delivery, wake <-chan struct{}) (n int, err error) {
	for c.next == c.end {
		if !c.told {
			c.told = true
			c.taken <- struct{}{}
		}
		select {
		case n := <-c.more:
			c.end += n
			c.told = false
			continue
		default:
		}
		select {
		case n := <-c.more:
			c.end += n
			c.told = false
		case <-c.over:
			return 0, source.ErrClosed
		case <-wake:
			return 0, source.ErrWoken
		}
	}
	for ; n < len(into) && c.next < c.end; n++ {
		m := &c.msgs[c.next%int64(len(c.msgs))]
		m.pos.Offset = c.next
		into[n] = source.Delivery{Message: m, Offset: c.next, Size: 104}
		c.next++
	}
	return n, nil
}

// runBlocks runs a pipeline over the claim until the returned function is called.
func runBlocks(b *testing.B, claim *blocks, ordering Ordering, workers int, handle stage.Func) (stop func()) {
	b.Helper()
	n := len(claim.msgs)
	p := New(Config{
		Source: &benchSource{newFakeSource(), claim}, Workers: workers, Ordering: ordering, MaxInFlight: 2 * n,
		Steps: []Step{{Name: "handle", Stage: handle}},
	})
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}
}

// BenchmarkHandedToWorkers has handlers that wait: each message is given to a worker
// and its goroutine sleeps once, until as many as there are workers are in flight. Look at ns/msg.
func BenchmarkHandedToWorkers(b *testing.B) {
	for _, ordering := range []Ordering{Unordered, ByKey} {
		for _, workers := range []int{10, 100, 1_000, 10_000} {
			b.Run(row(ordering, workers), func(b *testing.B) {
				b.ReportAllocs()
				turnstile := &turnstile{size: workers, open: make(chan struct{}), opened: make(chan struct{}, 1)}
				claim := newBlocks(4*workers, func(i int) int { return i })
				stop := runBlocks(b, claim, ordering, workers, turnstile.handle)
				block := func() {
					claim.more <- int64(workers)
					<-claim.taken
					<-turnstile.opened
				}
				block() // to the working size
				b.ResetTimer()
				for b.Loop() {
					block()
				}
				perMessage(b, workers)
				stop()
			})
		}
	}
}

// turnstile is a handler that returns when size messages wait in it.
type turnstile struct {
	mu     sync.Mutex
	size   int
	inside int
	open   chan struct{}
	opened chan struct{}
}

func (t *turnstile) handle(_ context.Context, m stage.Message) (stage.Message, error) {
	t.mu.Lock()
	open := t.open
	if t.inside++; t.inside == t.size {
		t.inside, t.open = 0, make(chan struct{})
		close(open)
		t.opened <- struct{}{}
	}
	t.mu.Unlock()
	<-open
	return m, nil
}

// BenchmarkQueuedBehindKeys receives 10 000 messages of some keys while the first of each
// key is being worked on, and lets those go on then. Look at ns/msg, of which queued-ns/msg
// is until the last is in its queue.
func BenchmarkQueuedBehindKeys(b *testing.B) {
	const n = 10_000
	for _, keys := range []int{1, 10, 100, 1_000} {
		b.Run(strconv.Itoa(keys), func(b *testing.B) {
			b.ReportAllocs()
			var gate atomic.Pointer[chan struct{}]
			var left atomic.Int64
			done := make(chan struct{}, 1)
			handle := func(_ context.Context, m stage.Message) (stage.Message, error) {
				if int(m.Position().Offset%n) < keys {
					<-*gate.Load()
				}
				if left.Add(-1) == 0 {
					done <- struct{}{}
				}
				return m, nil
			}
			claim := newBlocks(2*n, func(i int) int { return i % keys })
			stop := runBlocks(b, claim, ByKey, keys, handle)
			var queued time.Duration
			block := func() {
				closed := make(chan struct{})
				gate.Store(&closed)
				left.Store(n)
				began := time.Now()
				claim.more <- n
				<-claim.taken
				queued += time.Since(began)
				close(closed)
				<-done
			}
			block() // to the working size
			b.ResetTimer()
			queued = 0
			for b.Loop() {
				block()
			}
			perMessage(b, n)
			b.ReportMetric(float64(queued.Nanoseconds())/float64(b.N)/n, "queued-ns/msg")
			stop()
		})
	}
}

func row(ordering Ordering, n int) string { return fmt.Sprintf("%v/%d", ordering, n) }

func perMessage(b *testing.B, n int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/msg")
}
