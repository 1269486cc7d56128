package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

var steady = retry.Linear{Step: time.Second, Max: time.Second}

func TestRetryTriesAsOftenAsTheVerdictAllows(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		errs     []error
		attempts int
		opts     []middleware.RetryOption
		calls    int
		waits    time.Duration
		want     error
	}{
		"success":                {nil, 5, nil, 1, 0, nil},
		"transient":              {[]error{errBoom, errBoom}, 5, nil, 3, 2 * time.Second, nil},
		"used up":                {[]error{errBoom, errBoom, errBoom}, 3, nil, 3, 2 * time.Second, errBoom},
		"one attempt":            {[]error{errBoom}, 1, nil, 1, 0, errBoom},
		"permanent":              {[]error{retry.Permanent(errBoom)}, 5, nil, 1, 0, errBoom},
		"permanent in between":   {[]error{errBoom, retry.Permanent(errBoom)}, 5, nil, 2, time.Second, errBoom},
		"backoff's permanent":    {[]error{fmt.Errorf("save: %w", backoff.Permanent(errBoom))}, 5, nil, 1, 0, errBoom},
		"payload":                {[]error{&stage.PayloadError{Op: "decode", Err: errBoom}}, 5, nil, 1, 0, errBoom},
		"skip":                   {[]error{stage.Skip}, 5, nil, 1, 0, stage.Skip},
		"wrapped skip on retry":  {[]error{errBoom, fmt.Errorf("old: %w", stage.Skip)}, 5, nil, 2, time.Second, stage.Skip},
		"released":               {[]error{stage.ErrReleased}, 5, nil, 1, 0, stage.ErrReleased},
		"a call's own deadline":  {[]error{context.DeadlineExceeded}, 5, nil, 2, time.Second, nil},
		"elapsed":                {[]error{errBoom, errBoom, errBoom}, 9, []middleware.RetryOption{middleware.MaxElapsed(2500 * ms)}, 3, 2 * time.Second, errBoom},
		"classified":             {[]error{errBoom}, 5, []middleware.RetryOption{middleware.RetryIf(func(error) bool { return false })}, 1, 0, errBoom},
		"classified, permanent":  {[]error{retry.Permanent(errBoom)}, 5, []middleware.RetryOption{middleware.RetryIf(func(error) bool { return true })}, 1, 0, errBoom},
		"classified, retryable":  {[]error{errBoom}, 5, []middleware.RetryOption{middleware.RetryIf(func(error) bool { return true })}, 2, time.Second, nil},
		"no elapsed time is set": {[]error{errBoom}, 2, []middleware.RetryOption{middleware.MaxElapsed(0)}, 2, time.Second, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				inner, calls := failing(test.errs...)
				start := time.Now()
				out, err := middleware.Retry(steady, test.attempts, test.opts...)(inner).Process(t.Context(), order(1))
				if !errors.Is(err, test.want) || test.want == nil && out == nil {
					t.Errorf("got %v, %v, want error %v", out, err, test.want)
				}
				if *calls != test.calls || time.Since(start) != test.waits {
					t.Errorf("%d calls in %v, want %d in %v", *calls, time.Since(start), test.calls, test.waits)
				}
			})
		})
	}
}

func TestRetryKeepsWhatIsWrappedAroundAPermanentError(t *testing.T) {
	t.Parallel()
	for _, mark := range []func(error) error{retry.Permanent, backoff.Permanent} {
		inner := always(fmt.Errorf("save order 7: %w", mark(errBoom)))
		_, err := middleware.Retry(steady, 5)(inner).Process(t.Context(), order(1))
		if err == nil || err.Error() != "save order 7: boom" {
			t.Errorf("got %v", err)
		}
	}
}

func TestRetryReportsAttemptsAndTimesWhenItGivesUp(t *testing.T) {
	for name, test := range map[string]struct {
		strategy retry.BackoffStrategy
		errs     []error
	}{
		"attempts":  {steady, []error{errBoom, errBoom, errBoom}},
		"permanent": {steady, []error{errBoom, errBoom, retry.Permanent(errBoom)}},
		"cenkalti stops": {retry.FromBackOff(func() backoff.BackOff {
			return backoff.WithMaxRetries(backoff.NewConstantBackOff(time.Second), 2)
		}), []error{errBoom, errBoom, errBoom, errBoom, errBoom}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inner, _ := failing(test.errs...)
				start := time.Now()
				attempts := 3
				if name == "cenkalti stops" {
					attempts = 9
				}
				_, err := middleware.Retry(test.strategy, attempts)(inner).Process(t.Context(), order(1))
				gaveUp, ok := errors.AsType[*retry.ExhaustedError](err)
				if !ok || !errors.Is(err, errBoom) {
					t.Fatalf("got %v", err)
				}
				if gaveUp.Attempts != 3 || !gaveUp.First.Equal(start) || !gaveUp.Last.Equal(start.Add(2*time.Second)) || gaveUp.Elapsed != 2*time.Second {
					t.Errorf("got %+v", gaveUp)
				}
			})
		})
	}
}

func TestRetryWaitsParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		inner, _ := failing(errBoom, errBoom)
		if _, err := middleware.Retry(retry.Exponential{Base: time.Second}, 5)(inner).Process(h.context(t), order(1)); err != nil {
			t.Fatal(err)
		}
		want := []stage.Parking{
			{For: time.Second, Reason: "retry", Attempt: 1, Cause: errBoom},
			{For: 2 * time.Second, Reason: "retry", Attempt: 2, Cause: errBoom},
		}
		if got := h.parked(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("parked %v, want %v", got, want)
		}
	})
}

func TestRetryEndsAtOnceWhenTheMessageIsTakenAway(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(h *host, cancel context.CancelFunc)
		want error
	}{
		"drain":  {func(h *host, _ context.CancelFunc) { close(h.draining) }, stage.ErrReleased},
		"cancel": {func(_ *host, cancel context.CancelFunc) { cancel() }, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost()
				ctx, cancel := context.WithCancel(h.context(t))
				defer cancel()
				time.AfterFunc(1500*ms, func() { test.end(h, cancel) })
				inner, calls := failing(errBoom, errBoom, errBoom)
				start := time.Now()
				_, err := middleware.Retry(steady, 9)(inner).Process(ctx, order(1))
				if !errors.Is(err, test.want) || !errors.Is(err, errBoom) || errors.Is(err, stage.Skip) {
					t.Errorf("got %v", err)
				}
				if *calls != 2 || time.Since(start) != 1500*ms {
					t.Errorf("%d calls in %v", *calls, time.Since(start))
				}
			})
		})
	}
}

func TestRetryIsAnEventOfTheSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := tracetest.NewSpanRecorder()
		provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
		ctx, span := provider.Tracer("test").Start(t.Context(), "process")
		inner, _ := failing(&stage.PanicError{Value: "secret"})
		if _, err := middleware.Retry(steady, 2)(inner).Process(ctx, order(1)); err != nil {
			t.Fatal(err)
		}
		span.End()
		events := recorder.Ended()[0].Events()
		if len(events) != 1 || events[0].Name != "retry" {
			t.Fatalf("events %v", events)
		}
		got := attribute.NewSet(events[0].Attributes...)
		if want := attribute.NewSet(attribute.Int("burrow.retry.attempt", 1), attribute.String("error.type", "panic")); got != want {
			t.Errorf("attributes %v", got.ToSlice())
		}
	})
}

func TestRetryCostsAFirstSuccessNothing(t *testing.T) {
	wrapped := middleware.Retry(steady, 5)(always(nil))
	ctx, msg := t.Context(), order(1)
	if allocs := testing.AllocsPerRun(100, func() { _, _ = wrapped.Process(ctx, msg) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func ExampleRetry() {
	tries := 0
	save := stage.Handle(func(context.Context, []byte) error {
		if tries++; tries < 3 {
			return errors.New("connection refused")
		}
		return nil
	})
	retrying := middleware.Retry(retry.Exponential{Base: time.Millisecond}, 5)(save)
	_, err := retrying.Process(context.Background(), stage.New(nil, []byte("order")))
	fmt.Println(tries, err)
	// Output: 3 <nil>
}

func TestRetryReturnsTheContextsErrorOnceItHasEnded(t *testing.T) {
	t.Parallel()
	for _, attempts := range []int{1, 9} {
		ctx, cancel := context.WithCancel(t.Context())
		h := newHost()
		inner := stage.Func(func(context.Context, stage.Message) (stage.Message, error) {
			cancel()
			return nil, errBoom
		})
		_, err := middleware.Retry(steady, attempts)(inner).Process(context.WithValue(ctx, stage.HostKey{}, stage.Host(h)), order(1))
		if !errors.Is(err, context.Canceled) || len(h.parked()) != 0 {
			t.Errorf("%d attempts: got %v after %d waits", attempts, err, len(h.parked()))
		}
	}
}
