package middleware

import (
	"context"
	"errors"

	"github.com/cenkalti/backoff/v4"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

// outcome is how the pass of a message ended.
type outcome string

const (
	done         outcome = "done"
	skipped      outcome = "skipped"
	deadLettered outcome = "dead_lettered"
	released     outcome = "released" // not resolved, not failed: delivered again
	failed       outcome = "failed"
)

func outcomeOf(ctx context.Context, err error) outcome {
	switch {
	case err == nil:
		return done
	case isDeadLettered(err):
		return deadLettered
	case errors.Is(err, stage.Skip):
		return skipped
	case errors.Is(err, stage.ErrReleased) || cutShort(ctx):
		return released
	default:
		return failed
	}
}

func isDeadLettered(err error) bool {
	_, ok := errors.AsType[*stage.DeadLetteredError](err)
	return ok
}

// cutShort says that the message was taken away from its handler, unlike a
// handler that took too long.
func cutShort(ctx context.Context) bool {
	if ctx.Err() == nil {
		return false
	}
	_, late := errors.AsType[*TimeoutError](context.Cause(ctx))
	return !late
}

// isControl says that the error isn't a failure of the work.
func isControl(err error) bool {
	return errors.Is(err, stage.Skip) || errors.Is(err, stage.ErrReleased)
}

// errorType names an error with few different values, for attributes.
func errorType(err error) string {
	if bad, ok := errors.AsType[*stage.PayloadError](err); ok {
		return bad.Op
	}
	if _, ok := errors.AsType[*stage.PanicError](err); ok {
		return "panic"
	}
	if _, ok := errors.AsType[*TimeoutError](err); ok {
		return "timeout"
	}
	switch {
	case err == nil:
		return ""
	case errors.Is(err, stage.ErrReleased):
		return string(released)
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline_exceeded"
	}
	return semconv.ErrorType(bare(err)).Value.AsString()
}

// bare takes off what the library itself puts around the errors of handlers.
func bare(err error) error {
	for {
		var inner error
		switch e := err.(type) { //nolint:errorlint // layer by layer, from the outside
		case *stage.Error:
			inner = e.Err
		case *retry.ExhaustedError:
			inner = e.Err
		case *stage.DeadLetteredError:
			inner = e.Err
		case *backoff.PermanentError:
			inner = e.Err
		case interface {
			Retryable() bool
			Unwrap() error
		}:
			inner = e.Unwrap()
		}
		if inner == nil {
			return err
		}
		err = inner
	}
}
