package load_test

import (
	"sync"
	"testing"
	"time"

	"github.com/vlab-research/burrow/benchmarks/internal/load"
)

// Without a clock, sleeps of 0.6 ms end after a whole millisecond at the least.
func TestAClockEndsSleepsWhenTheyShouldEnd(t *testing.T) {
	clock, err := load.NewClock()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := clock.Close(); err != nil {
			t.Error(err)
		}
	})
	const sleep, n, tries = 600 * time.Microsecond, 200, 20
	var mean time.Duration
	for range tries { // the machine may be busy
		begun := time.Now()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				for range n {
					clock.Sleep(sleep)
				}
			})
		}
		wg.Wait()
		if mean = time.Since(begun) / n; mean < sleep {
			t.Fatalf("a sleep of %v took %v", sleep, mean)
		}
		if mean < time.Millisecond {
			return
		}
	}
	t.Errorf("a sleep of %v takes %v", sleep, mean)
}
