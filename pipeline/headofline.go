package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/vlab-research/burrow/stage"
)

// Defaults of a [HeadOfLine].
const (
	DefaultHeadOfLineAfter = 30 * time.Second
	DefaultHeadOfLineBurst = 3
	DefaultHeadOfLineEvery = time.Minute
)

// ErrHeadOfLine says that one message alone holds a partition: its window takes no
// more, and nearly everything in it but that message and those that wait for its key is resolved. It
// is part of [Pipeline.Health], always with [ErrStalled]; the cause with which [HeadOfLine] cancels an
// attempt; and part of the error of an attempt that was cancelled.
var ErrHeadOfLine = errors.New("burrow: one message holds a window that is full")

// HeadOfLine cancels the attempt of a message that alone holds a whole partition,
// and hands it to the failure path. Without it such a message is only reported, by Health, Explain and
// the metric burrow.window.head_of_line.
//
// What is cancelled is the context of one pass over all stages, with the cause
// [ErrHeadOfLine]. The contexts of the middleware around that pass live on, so that they see an
// error like any other: Retry tries again, DeadLetter stores the message. Middleware of a
// single stage sees its context end. A handler has to heed its context; one that
// doesn't keeps its key, its worker and the window, since nothing of its key may start before it
// returns, and is cancelled once. A success after the cancel stays a success.
// Only a running attempt is cancelled: a parked message waits by a policy of its own, and a batch
// goes on for its other records.
//
// A dependency that is down is not one poison message. When everything hangs the
// window isn't resolved, so nothing is cancelled; what slips through, one partition after the other or one
// try after the other, costs a token of a budget that all partitions share, and when
// there is none the message is only reported.
//
// It needs an order in which others can finish: by partition every message is the
// only one, and middleware.Timeout is what limits it. With it each attempt costs a context of its own
// (about 400 ns and three allocations); without it nothing.
type HeadOfLine struct {
	// After is how long an attempt has to run before it may be cancelled. The default is
	// [DefaultHeadOfLineAfter]. It is looked at four times in that time.
	After time.Duration
	// Burst is how many attempts may be cancelled at once, over all partitions. The default is
	// [DefaultHeadOfLineBurst].
	Burst int
	// Every is how long it takes for one more to be allowed. The default is [DefaultHeadOfLineEvery].
	Every time.Duration
}

func (h HeadOfLine) withDefaults() HeadOfLine {
	if h.After == 0 {
		h.After = DefaultHeadOfLineAfter
	}
	if h.Burst == 0 {
		h.Burst = DefaultHeadOfLineBurst
	}
	if h.Every == 0 {
		h.Every = DefaultHeadOfLineEvery
	}
	return h
}

// isHeadOfLine tells whether the oldest message holds the claim alone: the reader
// takes no more for want of room, most of the window lies behind that message, and of
// what lies there and doesn't wait for its lane nine of ten are resolved. The claim's mutex is held.
func (c *claim) isHeadOfLine() bool {
	if !c.starved.Load() || c.tracker.FillUnresolved() <= relieveAt {
		return false
	}
	usage := c.tracker.Usage()
	unresolved := usage.Pending + usage.Failed
	if !usage.Held || usage.Behind == 0 || 2*(usage.Behind+unresolved) < usage.Messages {
		return false
	}
	head := c.oldestTask()
	if head == nil || head.msg.Position().Offset != usage.Oldest.Offset {
		return false
	}
	limit := usage.Behind / 9
	others := unresolved - 1
	for t := head.follow; t != nil && others > limit; t = t.follow {
		others--
	}
	return others <= limit
}

// attempt is one pass of a message over the stages that can be cancelled.
type attempt struct {
	cancel context.CancelCauseFunc
	began  time.Time
	cut    bool // guarded by the claim's mutex
}

// cuttable gives each pass over the stages a context that can be cancelled.
type cuttable struct{ next stage.Stage }

// Process implements [stage.Stage].
func (s *cuttable) Process(ctx context.Context, msg stage.Message) (stage.Message, error) {
	t, _ := ctx.Value(stage.HostKey{}).(*task)
	if t == nil {
		return s.next.Process(ctx, msg)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	began := time.Now()
	t.claim.setAttempt(t, &attempt{cancel: cancel, began: began})
	defer func() {
		t.claim.setAttempt(t, nil)
		cancel(nil)
	}()
	out, err := s.next.Process(ctx, msg)
	if err == nil || context.Cause(ctx) != ErrHeadOfLine || errors.Is(err, stage.Skip) || errors.Is(err, stage.ErrReleased) { //nolint:errorlint // the cause itself
		return out, err
	}
	return nil, fmt.Errorf("%w; cancelled after %v: %w", ErrHeadOfLine, time.Since(began).Round(time.Millisecond), err)
}

func (c *claim) setAttempt(t *task, a *attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t.attempt = a
}

// warden cancels the attempts of messages that hold a window alone, within the budget.
type warden struct {
	e      *engine
	policy HeadOfLine
	budget *rate.Limiter
	broke  bool // the budget is known to be empty
}

func newWarden(e *engine, policy HeadOfLine) *warden {
	return &warden{e: e, policy: policy, budget: rate.NewLimiter(rate.Every(policy.Every), policy.Burst)}
}

// run looks at the claims until ctx ends.
func (w *warden) run(ctx context.Context) {
	ticker := time.NewTicker(max(w.policy.After/4, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			for _, c := range w.e.claims() {
				w.look(c, now)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (w *warden) look(c *claim, now time.Time) {
	c.mu.Lock()
	a := w.suspect(c, now)
	if a == nil {
		c.mu.Unlock()
		return
	}
	offset := c.oldestTask().msg.Position().Offset
	allowed := w.budget.AllowN(now, 1)
	if allowed {
		a.cut = true
		c.counts.cut++
	}
	c.mu.Unlock()
	log := c.e.log.WithFields(c.fields()).WithField("offset", offset)
	switch {
	case allowed:
		w.broke = false
		log.WithField("ran", now.Sub(a.began)).Warn("burrow: one message holds a window that is full; its attempt is cancelled")
		a.cancel(ErrHeadOfLine)
	case !w.broke:
		w.broke = true
		log.Error("burrow: one message holds a window that is full, but too many attempts were cancelled lately: this looks like an outage")
	}
}

// suspect returns the attempt that holds the claim, nil if there is none to cancel.
// The claim's mutex is held.
func (w *warden) suspect(c *claim, now time.Time) *attempt {
	t := c.live.oldest
	if t == nil || t.state != taskRunning || t.attempt == nil || t.attempt.cut || now.Sub(t.attempt.began) < w.policy.After {
		return nil
	}
	if c.begun || c.oldestTask() != t || !c.isHeadOfLine() {
		return nil
	}
	return t.attempt
}
