package pipeline

import (
	"context"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"testing"

	"github.com/vlab-research/burrow/stage"
)

// BenchmarkMemory weighs what a window holds beyond the messages themselves, as B/msg:
// messages queued behind their key, messages finished behind one that isn't, and
// messages in flight, with the stack of the goroutine that waits in each. MB is what the
// process has of the system then. Its time means nothing.
func BenchmarkMemory(b *testing.B) {
	b.Run("queued behind their key", func(b *testing.B) { weigh(b, 200_000, ByKey, 100, func(int) int { return 0 }) })
	b.Run("finished behind the first", func(b *testing.B) { weigh(b, 200_000, Unordered, 100, func(int) int { return -1 }) })
	b.Run("10 000 in flight with 10 000 workers", func(b *testing.B) { weigh(b, 10_000, ByKey, 10_000, func(i int) int { return i }) })
}

// weigh lets the first message hold the others, or all of them wait if there is a worker for each.
func weigh(b *testing.B, n int, ordering Ordering, workers int, keyOf func(int) int) {
	b.Helper()
	for b.Loop() {
		claim, gate, settled := newBlocks(n, keyOf), make(chan struct{}), make(chan struct{}, 1)
		var left atomic.Int64
		left.Store(int64(n))
		// Queued messages have settled when the claim is read to the end, the others when their handler says so.
		settle := func() {
			if left.Add(-1) == 0 {
				settled <- struct{}{}
			}
		}
		before := memory()
		stop := runBlocks(b, claim, ordering, workers, func(_ context.Context, m stage.Message) (stage.Message, error) {
			settle()
			if m.Position().Offset == 0 || workers == n {
				<-gate
			}
			return m, nil
		})
		claim.more <- int64(n)
		<-claim.taken
		if ordering != ByKey || workers == n {
			<-settled
		}
		after := memory()
		b.ReportMetric((after.used-before.used)/float64(n), "B/msg")
		b.ReportMetric(after.total/1e6, "MB")
		b.ReportMetric(0, "ns/op")
		close(gate)
		if ordering == ByKey && workers != n {
			<-settled
		}
		stop()
		runtime.KeepAlive(claim)
	}
}

// usage is memory in bytes.
type usage struct{ used, total float64 }

func memory() usage {
	runtime.GC()
	runtime.GC() // what the first one's finalizers kept
	read := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(read)
	value := func(i int) float64 { return float64(read[i].Value.Uint64()) }
	return usage{value(0) + value(1), value(2) - value(3)}
}
