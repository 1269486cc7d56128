package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/stage"
)

func TestWhatTheStoreHasSeenIsSkipped(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err   error
		calls int
	}{
		"success":  {nil, 1},
		"skip":     {stage.Skip, 1},
		"failure":  {errBoom, 2},
		"released": {stage.ErrReleased, 2},
	} {
		calls := 0
		s := middleware.Idempotency(middleware.NewLRUStore(10), middleware.MessageID)(stage.Func(
			func(_ context.Context, msg stage.Message) (stage.Message, error) { calls++; return msg, test.err }))
		if _, err := s.Process(t.Context(), order(1)); err != test.err {
			t.Errorf("%s: first %v", name, err)
		}
		_, err := s.Process(t.Context(), order(1))
		if calls != test.calls || calls == 1 && !errors.Is(err, stage.Skip) {
			t.Errorf("%s: %d calls, then %v", name, calls, err)
		}
		if _, _ = s.Process(t.Context(), order(2)); calls != test.calls+1 {
			t.Errorf("%s: another message was not processed", name)
		}
	}
}

func TestAMessageWithoutAnIDIsNeverARepeat(t *testing.T) {
	t.Parallel()
	s := middleware.Idempotency(middleware.NewLRUStore(10), func(stage.Message) string { return "" })(always(nil))
	for range 2 {
		if _, err := s.Process(t.Context(), order(1)); err != nil {
			t.Error(err)
		}
	}
}

func TestTwoMessagesOfOneIDAtOnceAreProcessedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, calls := newHost(), 0
		s := middleware.Idempotency(middleware.NewLRUStore(10), middleware.MessageID)(stage.Func(
			func(_ context.Context, msg stage.Message) (stage.Message, error) {
				time.Sleep(time.Second)
				if calls++; calls == 1 {
					return nil, errBoom // then the next one tries
				}
				return msg, nil
			}))
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				_, err := s.Process(h.context(t), order(1))
				if i == 0 && err != errBoom {
					t.Errorf("the first: %v", err)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		if calls != 2 {
			t.Errorf("%d calls", calls)
		}
		if parked := h.parked(); len(parked) < 3 || parked[0].Reason != "idempotency" {
			t.Errorf("parked %+v", parked)
		}
	})
}

// brokenStore fails to answer, or to remember.
type brokenStore struct{ seen, remember error }

func (b brokenStore) Seen(context.Context, string) (bool, error) { return false, b.seen }
func (b brokenStore) Remember(context.Context, string) error     { return b.remember }

func TestAnErrorOfTheStoreFailsTheMessage(t *testing.T) {
	t.Parallel()
	for _, store := range []brokenStore{{seen: errBoom}, {remember: errBoom}} {
		s := middleware.Idempotency(store, middleware.MessageID)(always(nil))
		for range 2 { // and leaves the id free
			if _, err := s.Process(t.Context(), order(1)); !errors.Is(err, errBoom) || errors.Is(err, stage.Skip) {
				t.Errorf("%+v: %v", store, err)
			}
		}
	}
}

func TestTheLRUStoreForgetsTheOldest(t *testing.T) {
	t.Parallel()
	store := middleware.NewLRUStore(2)
	for _, id := range []string{"a", "b", "c"} {
		if err := store.Remember(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	for id, want := range map[string]bool{"a": false, "b": true, "c": true, "d": false} {
		if seen, _ := store.Seen(t.Context(), id); seen != want {
			t.Errorf("%s: seen %v", id, seen)
		}
	}
	if seen, _ := middleware.NewLRUStore(-1).Seen(t.Context(), "a"); seen {
		t.Error("an empty store has seen something")
	}
}

func ExampleIdempotency() {
	charges := 0
	charge := stage.Handle(func(context.Context, []byte) error { charges++; return nil })
	once := middleware.Idempotency(middleware.NewLRUStore(10_000), middleware.MessageID)(charge)
	msg := stage.New(nil, []byte("order"), stage.At(stage.Position{Topic: "orders", Partition: 3, Offset: 42}))
	for range 2 {
		_, err := once.Process(context.Background(), msg)
		fmt.Println(charges, err)
	}
	// Output:
	// 1 <nil>
	// 1 middleware: idempotency: seen before: stage: skip this message
}
