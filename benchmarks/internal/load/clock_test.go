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
	const asked, tries = 600 * time.Microsecond, 20
	t.Logf("a sleep of %v takes %v by Go alone", asked, took(time.Sleep, asked))
	var mean time.Duration
	for range tries { // the machine may be busy
		if mean = took(clock.Sleep, asked); mean < asked {
			t.Fatalf("a sleep of %v took %v", asked, mean)
		}
		if mean < time.Millisecond {
			t.Logf("and %v with a clock", mean)
			return
		}
	}
	t.Errorf("a sleep of %v takes %v", asked, mean)
}

// took measures sleeps of ten goroutines.
func took(sleep func(time.Duration), asked time.Duration) time.Duration {
	const each = 200
	began := time.Now()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range each {
				sleep(asked)
			}
		})
	}
	wg.Wait()
	return time.Since(began) / each
}
