package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/vlab-research/burrow/retry"
)

type says bool

func (s says) Error() string   { return "says" }
func (s says) Retryable() bool { return bool(s) }

func TestIsRetryableHonoursEveryMark(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"nil":                      {nil, false},
		"plain":                    {io.EOF, true},
		"permanent":                {retry.Permanent(io.EOF), false},
		"permanent, wrapped":       {fmt.Errorf("save: %w", retry.Permanent(io.EOF)), false},
		"permanent, joined":        {errors.Join(io.EOF, retry.Permanent(io.EOF)), false},
		"permanent behind a yes":   {fmt.Errorf("%w: %w", says(true), retry.Permanent(io.EOF)), false},
		"backoff's":                {fmt.Errorf("save: %w", backoff.Permanent(io.EOF)), false},
		"says no":                  {fmt.Errorf("save: %w", says(false)), false},
		"says yes":                 {says(true), true},
		"exhausted":                {&retry.ExhaustedError{Attempts: 3, Err: io.EOF}, true},
		"exhausted by a permanent": {&retry.ExhaustedError{Attempts: 3, Err: retry.Permanent(io.EOF)}, false},
		"deadline":                 {context.DeadlineExceeded, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := retry.IsRetryable(test.err); got != test.want {
				t.Errorf("IsRetryable(%v) = %v", test.err, got)
			}
		})
	}
}

func TestPermanentKeepsTheErrorReachable(t *testing.T) {
	t.Parallel()
	if retry.Permanent(nil) != nil {
		t.Error("Permanent(nil) is an error")
	}
	err := retry.Permanent(fmt.Errorf("save: %w", io.EOF))
	if !errors.Is(err, io.EOF) || err.Error() != "save: EOF" {
		t.Errorf("got %q", err)
	}
}

func TestIfNarrowsButNeverOverridesPermanent(t *testing.T) {
	t.Parallel()
	onlyEOF := retry.If(func(err error) bool { return errors.Is(err, io.EOF) })
	for err, want := range map[error]bool{
		io.EOF: true, io.ErrNoProgress: false, retry.Permanent(io.EOF): false, nil: false,
	} {
		if onlyEOF(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
	if !retry.If(nil)(io.EOF) || retry.If(nil)(retry.Permanent(io.EOF)) {
		t.Error("If(nil) isn't IsRetryable")
	}
}

func TestExhaustedErrorSaysAttemptsTimeAndCause(t *testing.T) {
	t.Parallel()
	err := error(&retry.ExhaustedError{Attempts: 5, Elapsed: 1500 * time.Millisecond, Err: io.EOF})
	if want := "retry: gave up after 5 attempts in 1.5s: EOF"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	if !errors.Is(err, io.EOF) {
		t.Error("the cause is out of reach")
	}
}
