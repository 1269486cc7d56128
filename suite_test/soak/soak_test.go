// Package soak_test runs pipelines for long enough to see what failures cost: poison
// messages and dead letters, thousands of parked messages, key order through retries.
// The tests are small unless BURROW_SOAK=full, which the tasks soak:poison,
// soak:parking and soak:keys set; only then must their bars on speed be met, because a
// busy machine and a short run say little. What must be exact is checked always.
package soak_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/internal/kafkatest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(kafkatest.Main(m),
		goleak.IgnoreAnyFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"))
}

// patience is how long a soak waits for what must come.
const patience = 3 * time.Minute

func full() bool { return os.Getenv("BURROW_SOAK") == "full" }

// sized returns the figure of the full soak, or that of the small one.
func sized[T any](whole, small T) T {
	if full() {
		return whole
	}
	return small
}

// start runs a pipeline and returns how to end it.
func start(t *testing.T, b burrow.Builder) (p *burrow.Pipeline, stop func()) {
	t.Helper()
	p, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return p, stop
}

// await waits until the channel is closed.
func await(t *testing.T, what string, p *burrow.Pipeline, reached <-chan struct{}) {
	t.Helper()
	select {
	case <-reached:
	case <-time.After(patience):
		t.Fatalf("%s: not reached within %v: health %v, %+v", what, patience, p.Health(), p.Stats())
	}
}

// until waits for a condition that nothing announces.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not reached within %v", what, patience)
		}
	}
}

// pairs are the speeds of two arms that took turns, with and without trouble.
type pairs struct{ with, without []float64 }

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	n := len(sorted)
	return (sorted[n/2] + sorted[(n-1)/2]) / 2
}

// ratio is the median of what the arms gave relative to each other, pair by pair, so
// that a machine that others slow down for a while counts less.
func (p *pairs) ratio() float64 {
	ratios := make([]float64, len(p.with))
	for i := range ratios {
		ratios[i] = p.with[i] / p.without[i]
	}
	return median(ratios)
}

// judge prints the figures, and fails the full soak below the bar.
func (p *pairs) judge(t *testing.T, what string, bar float64) {
	t.Helper()
	t.Logf("%s: median %.0f messages/s with, %.0f without; ratio %.3f (bar %.2f), pairs %s",
		what, median(p.with), median(p.without), p.ratio(), bar, p)
	if full() && p.ratio() < bar {
		t.Errorf("%s: the ratio is %.3f, the bar %.2f", what, p.ratio(), bar)
	}
}

// String lists the pairs' ratios.
func (p *pairs) String() string {
	text := ""
	for i := range p.with {
		text += fmt.Sprintf(" %.3f", p.with[i]/p.without[i])
	}
	return text
}
