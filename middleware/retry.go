package middleware

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

// RetryOption changes what [Retry] does.
type RetryOption func(*retrying)

// MaxElapsed gives up when the next try would begin later than d after the first
// failure, however many attempts are left. 0, the default, sets no such limit.
func MaxElapsed(d time.Duration) RetryOption {
	return func(r *retrying) { r.maxElapsed = d }
}

// RetryIf tries again only after errors for which the function returns true. What
// [retry.IsRetryable] refuses is never tried again. The default is to try again
// after all others.
func RetryIf(retryableFunc func(error) bool) RetryOption {
	return func(r *retrying) { r.isRetryable = retry.If(retryableFunc) }
}

// Retry tries a failed message again, after the waits of the strategy, at most
// attempts times in all: 5 is one try and up to four retries. A strategy may stop
// earlier. The waits are [stage.Parking], so a waiting message holds no worker.
//
// Errors marked by [retry.Permanent] and those of payloads are not tried again.
// [stage.Skip] and [stage.ErrReleased] pass through. When it gives up after
// more than one attempt, the error is a [*retry.ExhaustedError] around the last
// one. When ctx ends or the wait is cut short it returns an error around ctx.Err()
// or [stage.ErrReleased], and the last failure.
//
// Each retry is an event "retry" of the context's span. A first try that succeeds
// costs nothing.
func Retry(strategy retry.BackoffStrategy, attempts int, opts ...RetryOption) stage.Middleware {
	r := &retrying{limits{strategy: strategy, attempts: attempts, isRetryable: retry.IsRetryable, waitFunc: announced}}
	for _, opt := range opts {
		opt(r)
	}
	errs := []error{
		retry.Validate(strategy),
		require(attempts > 0, "attempts is %d; give at least 1, which is one try without a retry", attempts),
		require(r.maxElapsed >= 0, "MaxElapsed is %v; it must not be negative", r.maxElapsed),
	}
	return func(next stage.Stage) stage.Stage {
		return wrap(NameRetry, next, func(ctx context.Context, msg stage.Message) (stage.Message, error) {
			return r.process(ctx, next, msg)
		}, errs...)
	}
}

type retrying struct{ limits }

func (r *retrying) process(ctx context.Context, next stage.Stage, msg stage.Message) (stage.Message, error) {
	out, err := next.Process(ctx, msg)
	if err == nil || isControl(err) {
		return out, err
	}
	return r.processAgain(ctx, next, msg, err)
}

// processAgain is apart so that its closure costs a first success nothing.
func (r *retrying) processAgain(ctx context.Context, next stage.Stage, msg stage.Message, err error) (out stage.Message, _ error) {
	err = r.again(ctx, err, func() (err error) {
		out, err = next.Process(ctx, msg)
		return err
	})
	return out, err
}

func announced(ctx context.Context, d time.Duration, attempt int, err error) error {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.AddEvent("retry", trace.WithAttributes(
			attribute.Int("burrow.retry.attempt", attempt), semconv.ErrorTypeKey.String(errorType(err))))
	}
	return stage.Parking{For: d, Reason: "retry", Attempt: attempt, Cause: err}.Wait(ctx)
}
