package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

// slow takes this long, whatever happens to its context, and then returns what
// the function makes of that context.
func slow(d time.Duration, result func(ctx context.Context) error) stage.Stage {
	return stage.Func(func(ctx context.Context, msg stage.Message) (stage.Message, error) {
		time.Sleep(d)
		return msg, result(ctx)
	})
}

func ctxErr(ctx context.Context) error { return ctx.Err() }
func returning(err error) func(ctx context.Context) error {
	return func(context.Context) error { return err }
}

func TestTimeoutTellsItsOwnDeadlineFromEverythingElse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		takes  time.Duration
		result func(context.Context) error
		parent time.Duration
		late   bool
		want   error
	}{
		"quick":                     {ms, ctxErr, 0, false, nil},
		"quick failure":             {ms, returning(errBoom), 0, false, errBoom},
		"late":                      {3 * time.Second, ctxErr, 0, true, context.DeadlineExceeded},
		"late success":              {3 * time.Second, returning(nil), 0, false, nil},
		"late skip":                 {3 * time.Second, returning(stage.Skip), 0, false, stage.Skip},
		"late release":              {3 * time.Second, returning(stage.ErrReleased), 0, false, stage.ErrReleased},
		"late failure of its own":   {3 * time.Second, returning(errBoom), 0, true, errBoom},
		"the parent's deadline":     {3 * time.Second, ctxErr, time.Second, false, context.DeadlineExceeded},
		"own deadline comes before": {3 * time.Second, ctxErr, 2500 * ms, true, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if test.parent > 0 {
					limited, cancel := context.WithTimeout(ctx, test.parent)
					defer cancel()
					ctx = limited
				}
				start := time.Now()
				_, err := middleware.Timeout(2*time.Second)(slow(test.takes, test.result)).Process(ctx, order(1))
				if time.Since(start) != test.takes {
					t.Errorf("came back after %v, before its handler", time.Since(start))
				}
				timeout, late := errors.AsType[*middleware.TimeoutError](err)
				if late != test.late || !errors.Is(err, test.want) {
					t.Fatalf("got %v", err)
				}
				if late && (timeout.After != 2*time.Second || !errors.Is(err, context.DeadlineExceeded) || !retry.IsRetryable(err)) {
					t.Errorf("got %+v", timeout)
				}
			})
		})
	}
}

func TestNestedTimeoutsNameTheOneThatEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mw := middleware.Timeout(2 * time.Second)
		for _, wrapped := range []stage.Stage{
			middleware.Timeout(time.Second)(mw(slow(3*time.Second, ctxErr))),
			mw(slow(0, func(ctx context.Context) error { // one value around two stages, the inner one still in time
				_, err := mw(slow(time.Second, returning(errBoom))).Process(ctx, order(1))
				if _, late := errors.AsType[*middleware.TimeoutError](err); late {
					t.Errorf("the inner one was in time: %v", err)
				}
				time.Sleep(2 * time.Second)
				return ctx.Err()
			})),
		} {
			_, err := wrapped.Process(t.Context(), order(1))
			outer, ok := err.(*middleware.TimeoutError)
			if !ok || outer.Err != context.DeadlineExceeded {
				t.Errorf("got %v", err)
			}
		}
	})
}

func ExampleTimeout() {
	hanging := stage.Handle(func(ctx context.Context, _ []byte) error {
		<-ctx.Done()
		return ctx.Err()
	})
	_, err := middleware.Timeout(time.Millisecond)(hanging).Process(context.Background(), stage.New(nil, []byte("order")))
	fmt.Println(err)
	// Output: middleware: timeout after 1ms: context deadline exceeded
}
