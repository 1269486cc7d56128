package middleware

import (
	"context"
	"errors"
	"fmt"

	"github.com/vlab-research/burrow/stage"
)

// The names by which the middleware of this package is known: what the
// MiddlewareName method of the stages it makes returns.
const (
	NameRetry       = "retry"
	NameDeadLetter  = "deadletter"
	NameTimeout     = "timeout"
	NameRecover     = "recover"
	NameTracing     = "tracing"
	NameMetrics     = "metrics"
	NameLogging     = "logging"
	NameRateLimit   = "ratelimit"
	NameBreaker     = "breaker"
	NameBulkhead    = "bulkhead"
	NameIdempotency = "idempotency"
)

// layer is the stage that each middleware makes: the wrapped stage, what runs
// around it, and whether it was set up right.
type layer struct {
	name    string
	err     error
	next    stage.Stage
	process stage.Func
}

// wrap makes a layer. The errors are what is wrong with the middleware's
// arguments; a layer with one never runs the stage.
func wrap(name string, next stage.Stage, process stage.Func, errs ...error) stage.Stage {
	if next == nil {
		errs = append(errs, errors.New("it wraps no stage"))
	}
	var wrong []error
	for _, err := range errs {
		if err != nil {
			wrong = append(wrong, fmt.Errorf("middleware: %s: %w", name, err))
		}
	}
	return &layer{name: name, next: next, process: process, err: errors.Join(wrong...)}
}

func (l *layer) Process(ctx context.Context, msg stage.Message) (stage.Message, error) {
	if l.err != nil {
		return nil, l.err
	}
	return l.process(ctx, msg)
}

// MiddlewareName says which middleware this is, so that a builder can refuse
// orders that cannot be meant.
func (l *layer) MiddlewareName() string { return l.name }

// MiddlewareError says what is wrong with the middleware's arguments.
func (l *layer) MiddlewareError() error { return l.err }

// Unwrap returns the stage that the middleware wraps.
func (l *layer) Unwrap() stage.Stage { return l.next }

func require(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}
