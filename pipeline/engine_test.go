package pipeline

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/stage"
)

// start runs a pipeline on the source and returns how to stop it and its result.
func start(t *testing.T, src *fakeSource, cfg Config, handle stage.Func) (p *Pipeline, stop func() error) {
	t.Helper()
	cfg.Source = src
	cfg.Steps = []Step{{Name: "handle", Stage: handle}}
	p = New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return p, func() error {
		cancel()
		return <-done
	}
}

func ok(_ context.Context, m stage.Message) (stage.Message, error) { return m, nil }

func TestEveryMessageIsProcessedOnceAndCommitted(t *testing.T) {
	for _, ordering := range []Ordering{ByKey, Unordered, ByPartition} {
		t.Run(ordering.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := newFakeSource(1000, 1000)
				var n atomic.Int64
				p, stop := start(t, src, Config{Workers: 10, Ordering: ordering}, func(ctx context.Context, m stage.Message) (stage.Message, error) {
					n.Add(1)
					time.Sleep(time.Duration(rand.IntN(10)) * time.Millisecond)
					return m, nil
				})
				time.Sleep(time.Minute)
				synctest.Wait()
				if s := p.Stats(); s.Processed != 2000 || s.InFlight != 0 || s.Queued != 0 {
					t.Errorf("stats: %+v", s)
				}
				if err := stop(); err != nil {
					t.Fatal(err)
				}
				if n.Load() != 2000 || src.last(0) != 1000 || src.last(1) != 1000 {
					t.Errorf("processed %d, committed %d and %d", n.Load(), src.last(0), src.last(1))
				}
			})
		})
	}
}

func TestQuickWorkRunsInTheReader(t *testing.T) {
	src := newFakeSource(200_000)
	p, stop := start(t, src, Config{Workers: 10, Ordering: Unordered}, ok)
	deadline := time.Now().Add(time.Minute)
	for p.Stats().Processed < 200_000 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if src.last(0) != 200_000 {
		t.Errorf("committed %d: %+v", src.last(0), p.Stats())
	}
}
