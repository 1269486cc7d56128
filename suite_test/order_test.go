package suite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

// keyLedger checks that the messages of a key run one at a time, in log order.
type keyLedger struct {
	mu      sync.Mutex
	running map[string]int64
	last    map[string]int64
	busy    int
	most    int // at once, over all keys: shows that there was something to order
	wrong   []string
}

func newKeyLedger() *keyLedger {
	return &keyLedger{running: make(map[string]int64), last: make(map[string]int64)}
}

func (l *keyLedger) begin(m stage.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key, offset := string(m.Key()), m.Position().Offset
	if other, ok := l.running[key]; ok {
		l.wrong = append(l.wrong, fmt.Sprintf("key %s: %d began while %d ran", key, offset, other))
	}
	if last, ok := l.last[key]; ok && offset < last {
		l.wrong = append(l.wrong, fmt.Sprintf("key %s: %d began after %d", key, offset, last))
	}
	l.running[key], l.last[key] = offset, offset
	l.busy++
	l.most = max(l.most, l.busy)
}

func (l *keyLedger) end(m stage.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.running, string(m.Key()))
	l.busy--
}

// around notes each try of the stage behind it.
func (l *keyLedger) around(next stage.Stage) stage.Stage {
	return stage.Func(func(ctx context.Context, m stage.Message) (stage.Message, error) {
		l.begin(m)
		defer l.end(m)
		return next.Process(ctx, m)
	})
}

func keys(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("key-%d", i)
	}
	return list
}

var _ = Describe("Messages of one key run one at a time, in the order of the log", func() {
	onMemory("4 keys, 100 workers, 100 000 messages", func(w *world) {
		topic := w.topic(1)
		w.produce(topic, 0, numbered(100_000, keys(4)...)...)
		ledger := newKeyLedger()
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithWorkers(100).Stage(stage.Func(func(_ context.Context, m stage.Message) (stage.Message, error) {
				if rand.IntN(100) == 0 {
					time.Sleep(time.Millisecond)
				}
				return m, nil
			}), ledger.around)
		})
		w.eventuallyCommitted(topic, 0, 100_000)
		Expect(r.stop()).To(Succeed())
		Expect(ledger.wrong).To(BeEmpty())
		Expect(ledger.most).To(Equal(4), "as many at once as there are keys")
	})

	onEach("through retries: a message that is tried again keeps its key waiting", func(w *world) {
		topic := w.topic(2)
		for p := range int32(2) {
			w.produce(topic, p, numbered(1500, keys(25)...)...)
		}
		perPartition := []*keyLedger{newKeyLedger(), newKeyLedger()}
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithWorkers(64).Use(middleware.Retry(retry.Linear{Step: time.Millisecond}, 50)).
				Stage(stage.Func(func(ctx context.Context, m stage.Message) (stage.Message, error) {
					return perPartition[m.Position().Partition].around(stage.Func(flaky)).Process(ctx, m)
				}))
		})
		for p := range int32(2) {
			w.eventuallyCommitted(topic, p, 1500)
			Expect(perPartition[p].wrong).To(BeEmpty())
			Expect(perPartition[p].most).To(BeNumerically(">", 1), "there was nothing to order")
		}
		Expect(r.Stats().Retried).To(BeNumerically(">", 100))
		Expect(r.stop()).To(Succeed())
	})

	onMemory("by partition, one at a time; unordered, all at once", func(w *world) {
		for _, tc := range []struct {
			ordering burrow.Ordering
			took     time.Duration
		}{{burrow.ByPartition, 100 * time.Second}, {burrow.Unordered, 10 * time.Second}} {
			topic := w.topic(1)
			w.produce(topic, 0, numbered(100, "k")...)
			began := time.Now()
			r := w.start(topic, func(b burrow.Builder) burrow.Builder {
				return b.WithWorkers(10).WithOrdering(tc.ordering).Stage(stage.Func(func(_ context.Context, m stage.Message) (stage.Message, error) {
					time.Sleep(time.Second)
					return m, nil
				}))
			})
			for r.Stats().Processed < 100 {
				time.Sleep(time.Second)
			}
			Expect(time.Since(began)).To(BeNumerically("~", tc.took, time.Second), tc.ordering.String())
			Expect(r.stop()).To(Succeed())
		}
	})
})

func flaky(ctx context.Context, m stage.Message) (stage.Message, error) {
	select {
	case <-time.After(time.Duration(rand.IntN(3)) * 100 * time.Microsecond):
	case <-ctx.Done():
	}
	if rand.IntN(5) == 0 {
		return nil, errWork
	}
	return m, nil
}
