package middleware

import (
	"context"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/vlab-research/burrow/retry"
)

// limits say when something that failed is tried again, and how often.
type limits struct {
	strategy    retry.BackoffStrategy
	attempts    int
	maxElapsed  time.Duration
	isRetryable func(error) bool
	waitFunc    func(ctx context.Context, d time.Duration, attempt int, err error) error
}

// again tries op again after its first failure. It returns nil after a success,
// an error of the control kind as it is, and else why there is no further try.
//
// The loop is cenkalti's. It waits by timer.Start, which parks the message on
// this goroutine; the loop then finds the timer's channel ready. So the wait
// needs no goroutine, and one that is cut short ends the loop at its next step.
func (l limits) again(ctx context.Context, err error, op func() error) error {
	now := time.Now()
	t := &tries{limits: l, sequence: retry.Sequence(l.strategy), count: 1, first: now, last: now, err: err}
	var cut error
	timer := newParkTimer(func(d time.Duration) { cut = l.waitFunc(ctx, d, t.count, t.err) })
	err = backoff.RetryNotifyWithTimer(func() error {
		if cut != nil {
			return backoff.Permanent(t.released(cut))
		}
		return t.judge(ctx, op)
	}, t, nil, timer)
	if t.stopped {
		return t.exhausted()
	}
	return err
}

// tries is what happened to one message; to cenkalti's loop it is the policy.
type tries struct {
	limits
	sequence    backoff.BackOff
	begun       bool
	stopped     bool
	count       int
	first, last time.Time
	err         error
}

// judge tries once, except at the first call: that failure has happened already.
func (t *tries) judge(ctx context.Context, op func() error) error {
	if t.begun {
		t.err = op()
		t.count++
		t.last = time.Now()
	}
	t.begun = true
	switch {
	case t.err == nil:
		return nil
	case isControl(t.err):
		return backoff.Permanent(t.err)
	case ctx.Err() != nil:
		return backoff.Permanent(t.released(ctx.Err()))
	case !t.isRetryable(t.err), t.count >= t.attempts:
		return backoff.Permanent(t.exhausted())
	}
	return t.err
}

// NextBackOff returns the wait, or Stop when the strategy or the time is at its end.
func (t *tries) NextBackOff() time.Duration {
	delay := t.sequence.NextBackOff()
	if delay < 0 || t.maxElapsed > 0 && time.Since(t.first)+delay > t.maxElapsed {
		t.stopped = true
		return backoff.Stop
	}
	return delay
}

// Reset is called by the loop before its first try.
func (t *tries) Reset() {}

func (t *tries) exhausted() error {
	if t.count == 1 {
		return t.err
	}
	return &retry.ExhaustedError{
		Attempts: t.count, First: t.first, Last: t.last, Elapsed: t.last.Sub(t.first), Err: t.err,
	}
}

func (t *tries) released(cut error) error {
	return fmt.Errorf("middleware: no further try: %w: %w", cut, t.exhausted())
}

// parkTimer is a timer whose Start waits, so that its channel is always ready.
type parkTimer struct {
	waitFunc func(time.Duration)
	ready    chan time.Time
}

func newParkTimer(waitFunc func(time.Duration)) *parkTimer {
	ready := make(chan time.Time)
	close(ready)
	return &parkTimer{waitFunc: waitFunc, ready: ready}
}

func (p *parkTimer) Start(d time.Duration) { p.waitFunc(d) }
func (p *parkTimer) Stop()                 {}
func (p *parkTimer) C() <-chan time.Time   { return p.ready }
