package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/stage"
)

// startsOf processes the messages at once and returns when each began.
func startsOf(ctx context.Context, mw stage.Middleware, msgs ...stage.Message) []time.Duration {
	var mu sync.Mutex
	var starts []time.Duration
	begin := time.Now()
	s := mw(stage.Func(func(_ context.Context, msg stage.Message) (stage.Message, error) {
		mu.Lock()
		defer mu.Unlock()
		starts = append(starts, time.Since(begin).Round(ms))
		return msg, nil
	}))
	var wg sync.WaitGroup
	for _, msg := range msgs {
		wg.Go(func() { _, _ = s.Process(ctx, msg) })
		synctest.Wait()
	}
	wg.Wait()
	slices.Sort(starts)
	return starts
}

func keyed(key string) stage.Message { return stage.New([]byte(key), nil) }

func byKey(msg stage.Message) string { return string(msg.Key()) }

func TestRateLimitLetsOneASecondPass(t *testing.T) {
	const s = time.Second
	four := []stage.Message{keyed("a"), keyed("a"), keyed("a"), keyed("b")}
	for name, test := range map[string]struct {
		mw   stage.Middleware
		want []time.Duration
	}{
		"one by one": {middleware.RateLimit(1, 1), []time.Duration{0, s, 2 * s, 3 * s}},
		"burst":      {middleware.RateLimit(1, 3), []time.Duration{0, 0, 0, s}},
		"no limit":   {middleware.RateLimit(rate.Inf, 1), []time.Duration{0, 0, 0, 0}},
		"by key":     {middleware.RateLimitBy(1, 1, 10, byKey), []time.Duration{0, 0, s, 2 * s}},
		"few limiters": {middleware.RateLimitBy(1, 1, 1, func(msg stage.Message) string {
			return string(msg.Key())
		}), []time.Duration{0, 0, s, 2 * s}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost()
				if got := startsOf(h.context(t), test.mw, four...); !slices.Equal(got, test.want) {
					t.Errorf("began at %v, want %v", got, test.want)
				}
				for _, p := range h.parked() {
					if p.Reason != "ratelimit" || p.For <= 0 || p.Attempt != 0 {
						t.Errorf("parked as %+v", p)
					}
				}
			})
		})
	}
}

func TestAForgottenKeyStartsWithAFullBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mw := middleware.RateLimitBy(1, 1, 2, byKey)
		if got := startsOf(t.Context(), mw, keyed("a"), keyed("b"), keyed("c"), keyed("a")); slices.Max(got) != 0 {
			t.Errorf("a was not forgotten: %v", got)
		}
	})
}

func TestAMessageTakenAwayGivesItsTurnBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit, h := middleware.RateLimit(1, 1), newHost()
		s := limit(always(nil))
		_, _ = s.Process(t.Context(), order(1))
		go close(h.draining)
		if _, err := s.Process(h.context(t), order(2)); !errors.Is(err, stage.ErrReleased) {
			t.Errorf("got %v", err)
		}
		if got := startsOf(t.Context(), limit, order(3)); got[0] != time.Second {
			t.Errorf("the next began after %v", got)
		}
	})
}

func TestBulkheadLetsFewInInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, busy, most := newHost(), 0, 0
		var mu sync.Mutex
		var begun []int64
		s := middleware.Bulkhead(2)(stage.Func(func(_ context.Context, msg stage.Message) (stage.Message, error) {
			mu.Lock()
			busy++
			most = max(most, busy)
			begun = append(begun, msg.Position().Offset)
			mu.Unlock()
			time.Sleep(time.Second + time.Duration(msg.Position().Offset)*ms)
			mu.Lock()
			busy--
			mu.Unlock()
			if msg.Position().Offset < 2 {
				panic("their places must become free")
			}
			return msg, nil
		}))
		s = middleware.Recover()(s)
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() { _, _ = s.Process(h.context(t), order(int64(i))) })
			synctest.Wait()
		}
		wg.Wait()
		if most != 2 || !slices.IsSorted(begun) || len(begun) != 6 {
			t.Errorf("%d at once, in order %v", most, begun)
		}
		for _, p := range h.parked() {
			if p.Reason != "bulkhead" {
				t.Errorf("parked as %+v", p)
			}
		}
	})
}

// hasty is a host that takes a message away just when it was woken.
type hasty struct{ *host }

func (h hasty) Park(ctx context.Context, p stage.Parking) error {
	_ = h.host.Park(ctx, p)
	return stage.ErrReleased
}

func TestAPlaceGivenToAMessageTakenAwayIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := middleware.Bulkhead(1)(slow(time.Second, returning(nil)))
		gone, cancel := context.WithCancel(t.Context())
		unlucky := context.WithValue(t.Context(), stage.HostKey{}, stage.Host(hasty{newHost()}))
		var wg sync.WaitGroup
		for i, ctx := range []context.Context{t.Context(), gone, unlucky, t.Context()} {
			wg.Go(func() {
				_, err := s.Process(ctx, order(1))
				if want := []error{nil, context.Canceled, stage.ErrReleased, nil}[i]; !errors.Is(err, want) {
					t.Errorf("message %d: %v", i, err)
				}
			})
			synctest.Wait()
		}
		start := time.Now()
		cancel()
		wg.Wait() // a lost place would be a deadlock
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func ExampleRateLimit() {
	limited := middleware.RateLimit(rate.Every(20*time.Millisecond), 1)(stage.Handle(func(context.Context, []byte) error { return nil }))
	start := time.Now()
	for range 3 {
		_, _ = limited.Process(context.Background(), stage.New(nil, []byte("order")))
	}
	fmt.Println(time.Since(start) >= 39*time.Millisecond)
	// Output: true
}

func ExampleRateLimitBy() {
	tenant := func(msg stage.Message) string {
		name, _ := msg.Headers().Get("tenant")
		return string(name)
	}
	limited := middleware.RateLimitBy(100, 10, 10_000, tenant)(stage.Handle(func(context.Context, []byte) error { return nil }))
	_, err := limited.Process(context.Background(), stage.New(nil, []byte("order"), stage.Headed("tenant", []byte("blue"))))
	fmt.Println(err)
	// Output: <nil>
}

func ExampleBulkhead() {
	report := stage.Handle(func(context.Context, []byte) error { return nil }) // needs one of four licences
	_, err := middleware.Bulkhead(4)(report).Process(context.Background(), stage.New(nil, []byte("order")))
	fmt.Println(err)
	// Output: <nil>
}
