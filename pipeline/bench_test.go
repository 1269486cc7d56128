package pipeline

import (
	"context"
	"testing"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// endless is a claim that always has another message, until n were taken.
type endless struct {
	*fakeClaim
	msgs []stage.Message
	next int64
	n    int64
	done chan struct{}
}

type numbered struct {
	stage.Message
	pos stage.Position
}

func (m *numbered) Position() stage.Position { return m.pos }

func (c *endless) Receive(into []source.Delivery, wake <-chan struct{}) (n int, err error) {
	for ; n < len(into) && c.next < c.n; n++ {
		m := c.msgs[c.next%int64(len(c.msgs))].(*numbered)
		m.pos.Offset = c.next
		into[n] = source.Delivery{Message: m, Offset: c.next, Size: 102}
		c.next++
	}
	if n > 0 {
		return n, nil
	}
	if c.next == c.n {
		c.next++
		close(c.done)
	}
	return c.fakeClaim.Receive(into, wake)
}

// benchSource has one claim, of any kind.
type benchSource struct {
	*fakeSource
	claim interface {
		source.Claim
		revoke()
	}
}

func (s *benchSource) Run(ctx context.Context, h source.Handler) error {
	done := make(chan struct{})
	go func() { h.Serve(s.claim); close(done) }()
	h.Assigned(1)
	<-ctx.Done()
	s.claim.revoke()
	<-done
	return nil
}

func benchmarkQuick(b *testing.B, ordering Ordering) {
	b.Helper()
	b.ReportAllocs()
	claim := &endless{fakeClaim: newFakeClaim(0, 0), n: int64(b.N), done: make(chan struct{})}
	for i := range 1 << 15 {
		claim.msgs = append(claim.msgs, &numbered{Message: stage.New([]byte{byte(i), byte(i >> 8)}, make([]byte, 100)), pos: stage.Position{Topic: "t"}})
	}
	src := &benchSource{fakeSource: newFakeSource(), claim: claim}
	p := New(Config{Source: src, Workers: 100, Ordering: ordering, Steps: []Step{{Name: "noop", Stage: stage.Func(ok)}}, MaxInFlight: 10000})
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	b.ResetTimer()
	go func() { done <- p.Run(ctx) }()
	<-claim.done
	b.StopTimer()
	cancel()
	if err := <-done; err != nil {
		b.Error(err)
	}
}

func BenchmarkQuickUnordered(b *testing.B)   { benchmarkQuick(b, Unordered) }
func BenchmarkQuickByKey(b *testing.B)       { benchmarkQuick(b, ByKey) }
func BenchmarkQuickByPartition(b *testing.B) { benchmarkQuick(b, ByPartition) }
