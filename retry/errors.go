package retry

import (
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Permanent marks an error as one that trying again cannot help. The text and
// what errors.Is and errors.As find stay as they are. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ err error }

func (e *permanentError) Error() string   { return e.err.Error() }
func (e *permanentError) Unwrap() error   { return e.err }
func (e *permanentError) Retryable() bool { return false }

// IsRetryable says whether trying again makes sense. It does unless an error in
// the chain is marked by [Permanent] or backoff.Permanent, or the first one that has a method
//
//	Retryable() bool
//
// says that it doesn't. For nil it returns false: there is nothing to try again.
//
// Errors of contexts are retryable: whether the context that ended was the
// message's own or only that of one call is known to the caller alone.
func IsRetryable(err error) bool {
	if err == nil {
		return false
	}
	if _, ok := errors.AsType[*permanentError](err); ok {
		return false
	}
	if _, ok := errors.AsType[*backoff.PermanentError](err); ok {
		return false
	}
	var says interface{ Retryable() bool }
	if errors.As(err, &says) {
		return says.Retryable()
	}
	return true
}

// If narrows [IsRetryable] by a classification of the user's: the result holds
// for errors that are retryable by both. A nil function narrows nothing.
func If(retryableFunc func(error) bool) func(error) bool {
	if retryableFunc == nil {
		return IsRetryable
	}
	return func(err error) bool { return IsRetryable(err) && retryableFunc(err) }
}

// ExhaustedError says that a message failed more than once and isn't tried again:
// the attempts or the time are used up, or the last error is permanent.
type ExhaustedError struct {
	// Attempts is how often the work was tried, the first time included.
	Attempts int
	// First and Last are when the first and the last try failed.
	First, Last time.Time
	// Elapsed is the time between them: the waits and the further tries.
	Elapsed time.Duration
	// Err is the error of the last try.
	Err error
}

// Error returns the attempts, the time and the cause's text.
func (e *ExhaustedError) Error() string {
	return fmt.Sprintf("retry: gave up after %d attempts in %v: %v", e.Attempts, e.Elapsed.Round(time.Millisecond), e.Err)
}

// Unwrap returns the error of the last try.
func (e *ExhaustedError) Unwrap() error { return e.Err }
