package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

func panicking(value any) stage.Stage {
	return stage.Func(func(_ context.Context, msg stage.Message) (stage.Message, error) { panic(value) })
}

func TestRecoverMakesAPanicAnErrorWithItsStack(t *testing.T) {
	t.Parallel()
	for _, value := range []any{"text", errBoom, 7} {
		_, err := middleware.Recover()(panicking(value)).Process(t.Context(), order(1))
		p, ok := errors.AsType[*stage.PanicError](err)
		if !ok || p.Value != value || !strings.Contains(string(p.Stack), "panicking") {
			t.Errorf("panic(%v): got %v", value, err)
		}
		if !retry.IsRetryable(err) {
			t.Errorf("panic(%v) is permanent without being told so", value)
		}
		_, err = middleware.Recover(middleware.PanicsArePermanent())(panicking(value)).Process(t.Context(), order(1))
		if retry.IsRetryable(err) {
			t.Errorf("panic(%v) isn't permanent", value)
		}
	}
	if out, err := middleware.Recover()(always(nil)).Process(t.Context(), order(1)); out == nil || err != nil {
		t.Errorf("without a panic: %v, %v", out, err)
	}
}

func TestRecoverLeavesGoexitAlone(t *testing.T) {
	t.Parallel()
	exiting := stage.Func(func(context.Context, stage.Message) (stage.Message, error) { runtime.Goexit(); return nil, nil })
	returned, ended := false, make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = middleware.Recover()(exiting).Process(context.Background(), order(1))
		returned = true
	}()
	<-ended
	if returned {
		t.Error("Process returned")
	}
}

func TestAPanicOfATryIsTriedAgainAfterItsWait(t *testing.T) {
	for permanent, tries := range map[bool]int{false: 3, true: 1} {
		t.Run(fmt.Sprintf("permanent %v", permanent), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var opts []middleware.RecoverOption
				if permanent {
					opts = append(opts, middleware.PanicsArePermanent())
				}
				began, calls := time.Now(), 0
				inner := stage.Func(func(_ context.Context, msg stage.Message) (stage.Message, error) {
					if calls++; calls < 3 {
						panic(errBoom)
					}
					return msg, nil
				})
				mw := stage.Chain(middleware.Retry(retry.Linear{Step: time.Minute, Max: time.Hour}, 5), middleware.Recover(opts...))
				_, err := mw(inner).Process(newHost().context(t), order(1))
				if calls != tries || permanent != errors.Is(err, errBoom) {
					t.Errorf("%d tries, error %v", calls, err)
				}
				if took, want := time.Since(began), time.Duration(tries*(tries-1)/2)*time.Minute; took != want {
					t.Errorf("took %v, want %v", took, want)
				}
			})
		})
	}
}

func ExampleRecover() {
	broken := stage.Handle(func(context.Context, []byte) error {
		var counts map[string]int
		counts["orders"]++
		return nil
	})
	_, err := middleware.Recover()(broken).Process(context.Background(), stage.New(nil, []byte("order")))
	fmt.Println(err)
	// Output: panic: assignment to entry in nil map
}
