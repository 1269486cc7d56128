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

	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

type published struct {
	topic      string
	key, value []byte
	headers    stage.Headers
}

// topics is a publisher that fails with these errors first.
type topics struct {
	mu     sync.Mutex
	errs   []error
	calls  int
	stored []published
}

func (p *topics) Publish(_ context.Context, topic string, key, value []byte, headers stage.Headers) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	if len(p.errs) > 0 {
		err := p.errs[0]
		p.errs = p.errs[1:]
		return err
	}
	p.stored = append(p.stored, published{topic, key, value, headers})
	return nil
}

func TestDeadLetterKeepsTheOriginalAndSaysWhatHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now().UTC()
		dlq := &topics{}
		inner := stage.Func(func(_ context.Context, msg stage.Message) (stage.Message, error) {
			return stage.WithValue(msg, []byte("changed")), &stage.Error{Stage: "save", Err: &stage.PanicError{Value: "no", Stack: []byte("main.go:7")}}
		})
		wrapped := stage.Chain(middleware.DeadLetter(dlq, "orders.dlq"), middleware.Retry(steady, 3))(inner)
		out, err := wrapped.Process(t.Context(), order(42))
		stored, ok := errors.AsType[*stage.DeadLetteredError](err)
		if out != nil || !ok || stored.Topic != "orders.dlq" || !errors.Is(err, stage.Skip) {
			t.Fatalf("got %v, %v", out, err)
		}
		got := dlq.stored[0]
		if got.topic != "orders.dlq" || string(got.key) != "key" || string(got.value) != "secret payload" {
			t.Errorf("published %+v", got)
		}
		if !slices.EqualFunc(got.headers[:1], stage.Headers{{Key: "trace", Value: []byte("1")}}, sameHeader) {
			t.Errorf("headers %v", got.headers)
		}
		letter, err := middleware.ParseDeadLetter(got.headers)
		want := middleware.Letter{
			ID: "orders/3/42", Position: stage.Position{Topic: "orders", Partition: 3, Offset: 42}, Stage: "save",
			Error: `retry: gave up after 3 attempts in 2s: stage "save": panic: no`, ErrorType: "panic", Attempts: 3,
			FirstFailure: start, LastFailure: start.Add(2 * time.Second), Stack: "main.go:7",
		}
		if err != nil || letter != want {
			t.Errorf("letter %+v, %v\nwant   %+v", letter, err, want)
		}
	})
}

func sameHeader(a, b stage.Header) bool { return a.Key == b.Key && string(a.Value) == string(b.Value) }

func TestWhatIsNotAFailureIsNotDeadLettered(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		ctx context.Context
		err error
	}{
		"success":          {t.Context(), nil},
		"skip":             {t.Context(), fmt.Errorf("old: %w", stage.Skip)},
		"released":         {t.Context(), fmt.Errorf("%w: %w", stage.ErrReleased, errBoom)},
		"after ctx ended":  {ended, errBoom},
		"already a letter": {t.Context(), &stage.DeadLetteredError{Topic: "other", Err: errBoom}},
	} {
		t.Run(name, func(t *testing.T) {
			dlq := &topics{}
			_, err := middleware.DeadLetter(dlq, "dlq")(always(test.err)).Process(test.ctx, order(1))
			if err != test.err || dlq.calls != 0 {
				t.Errorf("got %v after %d publishes", err, dlq.calls)
			}
		})
	}
}

func TestAMessageThatCannotBePublishedHasFailed(t *testing.T) {
	t.Parallel()
	errDown := errors.New("broker down")
	for name, test := range map[string]struct {
		errs  []error
		calls int
		waits int
		ok    bool
	}{
		"comes back":      {[]error{errDown, errDown}, 3, 2, true},
		"stays down":      {slices.Repeat([]error{errDown}, 9), 3, 2, false},
		"refused":         {[]error{retry.Permanent(errDown)}, 1, 0, false},
		"publisher skips": {slices.Repeat([]error{fmt.Errorf("%w: %w", stage.Skip, errDown)}, 9), 3, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, dlq := newHost(), &topics{errs: test.errs}
				mw := middleware.DeadLetter(dlq, "dlq", middleware.PublishRetry(steady, 3))
				_, err := mw(always(errBoom)).Process(h.context(t), order(1))
				if !errors.Is(err, errBoom) || errors.Is(err, stage.Skip) != test.ok {
					t.Errorf("got %v", err)
				}
				if name != "publisher skips" && errors.Is(err, errDown) == test.ok {
					t.Errorf("the publisher's error is not told: %v", err)
				}
				if dlq.calls != test.calls || len(h.parked()) != test.waits {
					t.Errorf("%d publishes, %d waits", dlq.calls, len(h.parked()))
				}
				for _, p := range h.parked() {
					if p.Reason != "deadletter" || p.Attempt != 0 {
						t.Errorf("parked as %+v", p)
					}
				}
			})
		})
	}
}

func TestADrainEndsTheWaitForTheDeadLetterTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		time.AfterFunc(1500*ms, func() { close(h.draining) })
		dlq := &topics{errs: slices.Repeat([]error{errors.New("down")}, 99)}
		mw := middleware.DeadLetter(dlq, "dlq", middleware.PublishRetry(steady, 99))
		_, err := mw(always(errBoom)).Process(h.context(t), order(1))
		if !errors.Is(err, stage.ErrReleased) || errors.Is(err, stage.Skip) || dlq.calls != 2 {
			t.Errorf("got %v after %d publishes", err, dlq.calls)
		}
	})
}

func TestDeadLetterByRoutesByError(t *testing.T) {
	t.Parallel()
	route := func(err error) string {
		if retry.IsRetryable(err) {
			return ""
		}
		return "poison"
	}
	dlq := &topics{}
	mw := middleware.DeadLetterBy(dlq, route)
	if _, err := mw(always(errBoom)).Process(t.Context(), order(1)); err != errBoom || dlq.calls != 0 {
		t.Errorf("without a topic: %v", err)
	}
	_, err := mw(always(retry.Permanent(errBoom))).Process(t.Context(), order(1))
	if !errors.Is(err, stage.Skip) || dlq.stored[0].topic != "poison" {
		t.Errorf("got %v, %+v", err, dlq.stored)
	}
}

func TestAFloodOfDeadLettersIsAnOutage(t *testing.T) {
	t.Parallel()
	dlq, failure := &topics{}, errBoom
	inner := stage.Func(func(_ context.Context, msg stage.Message) (stage.Message, error) { return msg, failure })
	wrapped := middleware.DeadLetter(dlq, "dlq", middleware.DeadLettersInARow(2))(inner)
	process := func(err error) error {
		failure = err
		_, err = wrapped.Process(t.Context(), order(1))
		return err
	}
	for i, test := range []struct {
		result error
		flood  bool
	}{
		{errBoom, false}, {errBoom, false}, {errBoom, true}, {stage.Skip, false}, {errBoom, true},
		{nil, false}, {errBoom, false}, {errBoom, false}, {errBoom, true},
	} {
		err := process(test.result)
		if errors.Is(err, middleware.ErrDeadLetterFlood) != test.flood {
			t.Errorf("message %d: %v", i, err)
		}
		if test.flood && (!errors.Is(err, errBoom) || errors.Is(err, stage.Skip)) {
			t.Errorf("message %d has not failed: %v", i, err)
		}
	}
	if len(dlq.stored) != 4 {
		t.Errorf("%d stored", len(dlq.stored))
	}
	unlimited := middleware.DeadLetter(dlq, "dlq", middleware.DeadLettersInARow(0))(always(errBoom))
	for range 3 * middleware.DefaultDeadLettersInARow {
		if _, err := unlimited.Process(t.Context(), order(1)); !errors.Is(err, stage.Skip) {
			t.Fatal(err)
		}
	}
}

func ExampleDeadLetter() {
	dlq := &topics{}
	decode := stage.Decode(func([]byte) (int, error) { return 0, errors.New("not a number") })
	guarded := middleware.DeadLetter(dlq, "orders.dlq")(decode)
	msg := stage.New([]byte("7"), []byte("x"), stage.At(stage.Position{Topic: "orders", Partition: 1, Offset: 99}))

	_, err := guarded.Process(context.Background(), msg)
	fmt.Println(err)
	letter, _ := middleware.ParseDeadLetter(dlq.stored[0].headers)
	fmt.Println(letter.ID, letter.Error, letter.Attempts)
	// Output:
	// dead-lettered to orders.dlq: decode: not a number
	// orders/1/99 decode: not a number 1
}

func ExampleDeadLetterBy() {
	dlq := &topics{}
	route := func(err error) string {
		if _, unreadable := errors.AsType[*stage.PayloadError](err); unreadable {
			return "orders.unreadable"
		}
		return "" // fails, and holds the commit
	}
	decode := stage.Decode(func([]byte) (int, error) { return 0, errors.New("not a number") })
	_, err := middleware.DeadLetterBy(dlq, route)(decode).Process(context.Background(), stage.New(nil, []byte("x")))
	fmt.Println(err)
	// Output: dead-lettered to orders.unreadable: decode: not a number
}
