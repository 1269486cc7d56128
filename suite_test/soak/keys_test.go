package soak_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/source/memory"
	"github.com/vlab-research/burrow/stage"
)

const (
	orderKeys    = 50
	orderWorkers = 64
	orderTopic   = "orders"
)

func keyOf(i int) []byte   { return fmt.Append(nil, "key-", i) }
func valueOf(i int) []byte { return fmt.Append(nil, i, " ", strings.Repeat("x", 50)) }

// TestKeysKeepTheirOrderThroughRetries is task soak:keys.
func TestKeysKeepTheirOrderThroughRetries(t *testing.T) {
	n := sized(100_000, 3_000)
	l := newOrderLedger()
	began := time.Now()
	stats := l.run(t, n, burrow.ByKey)
	t.Logf("%d messages of %d keys in %v: %d tries failed, %d at once at most, %d starts while the next message of a key was there and a worker was free",
		n, orderKeys, time.Since(began).Round(time.Millisecond), stats.Retried, l.most, l.chances)
	for _, wrong := range l.wrong[:min(len(l.wrong), 10)] {
		t.Error(wrong)
	}
	switch {
	case stats.Processed != int64(n):
		t.Errorf("processed %d of %d", stats.Processed, n)
	case int(stats.Retried) < n/10:
		t.Errorf("only %d tries failed", stats.Retried)
	case l.chances < n/10 || l.most < orderKeys/2:
		t.Errorf("there was next to nothing to get wrong: %d chances, %d at once", l.chances, l.most)
	}
}

// TestTheLedgerSeesBrokenOrder shows that the test above can fail: without an order it does.
func TestTheLedgerSeesBrokenOrder(t *testing.T) {
	l := newOrderLedger()
	l.run(t, 3_000, burrow.Unordered)
	if len(l.wrong) == 0 {
		t.Error("the ledger saw nothing wrong with an unordered run")
	}
}

// orderLedger checks that the messages of a key start in the order of the log, and
// never while another one of the key runs or waits for another try.
type orderLedger struct {
	mu        sync.Mutex
	delivered map[string]int64 // the last offset that the source gave to the engine
	open      map[string]int64 // begun and not done, through all tries
	last      map[string]int64
	running   int
	most      int
	chances   int // to start the next message of a key too early
	wrong     []string
}

func newOrderLedger() *orderLedger {
	return &orderLedger{delivered: map[string]int64{}, open: map[string]int64{}, last: map[string]int64{}}
}

func (l *orderLedger) run(t *testing.T, n int, ordering burrow.Ordering) burrow.Stats {
	t.Helper()
	broker := memory.NewBroker()
	broker.CreateTopic(orderTopic, 1)
	for i := range n {
		broker.ProduceTo(orderTopic, 0, stage.New(keyOf(rand.IntN(orderKeys)), valueOf(i)))
	}
	p, stop := start(t, burrow.New().From(&seenSource{broker.Source("soak", []string{orderTopic}), l}).
		WithWorkers(orderWorkers).WithOrdering(ordering).
		Use(l.whole, middleware.Retry(retry.Exponential{Base: time.Millisecond, Max: 4 * time.Millisecond}, 100)).
		Stage(stage.Func(l.try)))
	until(t, "all processed", func() bool { return p.Stats().Processed == int64(n) })
	stop()
	return p.Stats()
}

// whole notes the beginning and the end of a message with all its tries.
func (l *orderLedger) whole(next stage.Stage) stage.Stage {
	return stage.Func(func(ctx context.Context, m stage.Message) (stage.Message, error) {
		l.begin(string(m.Key()), m.Position().Offset)
		out, err := next.Process(ctx, m)
		l.mu.Lock()
		delete(l.open, string(m.Key()))
		l.mu.Unlock()
		return out, err
	})
}

func (l *orderLedger) begin(key string, offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if other, ok := l.open[key]; ok {
		l.wrong = append(l.wrong, fmt.Sprintf("%s: %d began while %d was not done", key, offset, other))
	}
	if last, ok := l.last[key]; ok && offset <= last {
		l.wrong = append(l.wrong, fmt.Sprintf("%s: %d began after %d", key, offset, last))
	}
	l.open[key], l.last[key] = offset, offset
}

// try fails one time in five.
func (l *orderLedger) try(_ context.Context, m stage.Message) (stage.Message, error) {
	l.mu.Lock()
	l.running++
	l.most = max(l.most, l.running)
	if l.delivered[string(m.Key())] > m.Position().Offset && l.running < orderWorkers {
		l.chances++
	}
	l.mu.Unlock()
	time.Sleep(time.Duration(rand.IntN(200)) * time.Microsecond) // the work
	l.mu.Lock()
	l.running--
	l.mu.Unlock()
	if rand.IntN(5) == 0 {
		return nil, errTransient
	}
	return m, nil
}

// seenSource tells the ledger what the engine was given.
type seenSource struct {
	source.Source
	ledger *orderLedger
}

func (s *seenSource) Run(ctx context.Context, h source.Handler) error {
	return s.Source.Run(ctx, &seenHandler{h, s.ledger})
}

func (s *seenSource) Commit(ctx context.Context, commits []source.Commit) []error {
	for i, c := range commits {
		commits[i].Claim = c.Claim.(*seenClaim).Claim
	}
	return s.Source.Commit(ctx, commits)
}

type seenHandler struct {
	source.Handler
	ledger *orderLedger
}

func (h *seenHandler) Serve(c source.Claim) { h.Handler.Serve(&seenClaim{c, h.ledger}) }

type seenClaim struct {
	source.Claim
	ledger *orderLedger
}

func (c *seenClaim) Receive(into []source.Delivery, wake <-chan struct{}) (int, error) {
	n, err := c.Claim.Receive(into, wake)
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	for _, d := range into[:n] {
		c.ledger.delivered[string(d.Message.Key())] = d.Offset
	}
	return n, err
}
