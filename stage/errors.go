package stage

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// Error says in which stage the work on a message failed. The pipeline puts it
// around every error that a stage returns, except [Skip].
type Error struct {
	Stage string
	Err   error
}

// Error returns the stage's name and the cause's text.
func (e *Error) Error() string { return fmt.Sprintf("stage %q: %v", e.Stage, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// PayloadError says that a message itself is the trouble: its bytes don't decode,
// its payload isn't valid, or it isn't of the type that a stage takes. It is
// permanent, because the same bytes will fail again.
type PayloadError struct {
	// Op is what was tried: "decode", "validate", "take".
	Op  string
	Err error
}

// Error returns what was tried and the cause's text, which may quote the payload.
// Use [Redacted] for what goes into a log.
func (e *PayloadError) Error() string { return e.Op + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *PayloadError) Unwrap() error { return e.Err }

// Retryable returns false; package retry looks for it.
func (e *PayloadError) Retryable() bool { return false }

// PanicError is a panic of a stage or a middleware, caught.
type PanicError struct {
	// Value is what was given to panic.
	Value any
	// Stack is the panicking goroutine's stack as [runtime/debug.Stack] prints it.
	Stack []byte
}

// Error returns the panic's value, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the value if it was an error, else nil.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Recovered makes an error of what recover returned: a [PanicError] with the stack
// of the caller, or the error itself if it comes from a panic that was caught further in and passed on.
func Recovered(v any) error {
	if err, ok := v.(error); ok {
		if _, caught := errors.AsType[*PanicError](err); caught {
			return err
		}
	}
	return &PanicError{Value: v, Stack: debug.Stack()}
}

// ErrExited says that a stage ended its goroutine with [runtime.Goexit], as
// testing.T.FailNow does.
var ErrExited = errors.New("stage: the handler ended its goroutine")

// DeadLetteredError says that a message failed and was then stored in a
// dead-letter topic, acknowledged by the broker. It counts as [Skip], so the
// message is resolved, and shows the failure to the middleware further out.
type DeadLetteredError struct {
	// Topic is where the dead letter was stored.
	Topic string
	// Err is why the message failed.
	Err error
}

// Error returns where the message went and why.
func (e *DeadLetteredError) Error() string {
	return fmt.Sprintf("dead-lettered to %s: %v", e.Topic, e.Err)
}

// Unwrap returns [Skip] and the cause.
func (e *DeadLetteredError) Unwrap() []error { return []error{Skip, e.Err} }

// Redacted returns the error's text for a log. Errors that tend to quote the
// message's bytes, and panics, are told by their type alone.
func Redacted(err error) string {
	if bad, ok := errors.AsType[*PayloadError](err); ok {
		return fmt.Sprintf("%s failed (%T)", bad.Op, bad.Err)
	}
	if p, ok := errors.AsType[*PanicError](err); ok {
		return fmt.Sprintf("panic (%T)", p.Value)
	}
	if err == nil {
		return ""
	}
	return err.Error()
}
