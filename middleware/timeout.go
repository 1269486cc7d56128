package middleware

import (
	"context"
	"fmt"
	"time"

	"github.com/vlab-research/burrow/stage"
)

// TimeoutError says that the work on a message took longer than [Timeout] allows.
// It matches context.DeadlineExceeded and can be tried again, unless the error of
// the handler says otherwise.
type TimeoutError struct {
	// After is the time that was allowed.
	After time.Duration
	// Err is what the handler returned when it came back.
	Err error
}

// Error returns the time allowed and the handler's error.
func (e *TimeoutError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("middleware: timeout after %v", e.After)
	}
	return fmt.Sprintf("middleware: timeout after %v: %v", e.After, e.Err)
}

// Unwrap returns context.DeadlineExceeded and the handler's error.
func (e *TimeoutError) Unwrap() []error { return []error{context.DeadlineExceeded, e.Err} }

// Timeout returns true, as net.Error has it.
func (e *TimeoutError) Timeout() bool { return true }

// Timeout gives each pass a context that ends after d. It waits until the handler
// really returns, so that nothing else of the message's key starts before; a handler
// that ignores its context keeps the key and a worker. A success after the deadline stays a
// success; an error becomes a [*TimeoutError]. An end of the message's own context
// is passed on as the handler reports it.
//
// Inside [Retry] it limits each try, outside of it all of them with their waits.
func Timeout(d time.Duration) stage.Middleware {
	err := require(d > 0, "the time is %v; it must be positive", d)
	return func(next stage.Stage) stage.Stage {
		t := &timeout{after: d, next: next, cause: &TimeoutError{After: d}}
		return wrap(NameTimeout, next, t.process, err)
	}
}

type timeout struct {
	after time.Duration
	next  stage.Stage
	// cause is one value per wrapped stage: it tells this deadline from those around it.
	cause *TimeoutError
}

func (t *timeout) process(ctx context.Context, msg stage.Message) (stage.Message, error) {
	limited, cancel := context.WithTimeoutCause(ctx, t.after, t.cause)
	defer cancel()
	out, err := t.next.Process(limited, msg)
	if err == nil || isControl(err) || context.Cause(limited) != error(t.cause) { //nolint:errorlint // this deadline, not one like it
		return out, err
	}
	return out, &TimeoutError{After: t.after, Err: err}
}
