package pipeline

import (
	"context"
	"errors"
	"time"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

const (
	firstCommitRetry = 50 * time.Millisecond
	lastCommitRetry  = 5 * time.Second
	// commitPace is how long after a commit the next one is made, unless a window needs it: a
	// request costs the broker and this process far more than a message that needs no work.
	commitPace = 10 * time.Millisecond
)

// committer makes the commits of all claims, on one goroutine: on the interval,
// when a claim's batch is full, and when a claim drains. One request takes all claims that have
// something new. A claim counts as committed only once the broker said so.
type committer struct {
	e       *engine
	asked   chan struct{}
	urgent  chan struct{} // asked by a claim that has no room
	flushes chan flush
	failing int // rounds in a row in which a commit was refused
}

// flush is a claim that waits for its commit.
type flush struct {
	claim *claim
	done  chan error // holds one
}

func newCommitter(e *engine) *committer {
	return &committer{e: e, asked: make(chan struct{}, 1), urgent: make(chan struct{}, 1), flushes: make(chan flush)}
}

// ask asks for a commit soon, for a claim whose source waits for room at once. It doesn't block.
func (k *committer) ask(c *claim) {
	asked := k.asked
	if c.starved.Load() {
		asked = k.urgent
	}
	select {
	case asked <- struct{}{}:
	default:
	}
}

// run commits until ctx ends.
func (k *committer) run(ctx context.Context) {
	interval := time.NewTicker(tickOf(k.e.cfg.CommitInterval))
	defer interval.Stop()
	var last lastCommit
	for {
		waiting, ok := k.awaitDue(ctx, interval.C, &last)
		if !ok {
			return
		}
		refused := k.commit(ctx, k.e.claims())
		last = lastCommit{pace: time.After(commitPace), again: k.retryAfter(refused)}
		if waiting.claim != nil {
			waiting.done <- refused[waiting.claim]
		}
	}
}

// tickOf returns how often to commit for nothing to wait longer than the interval, though timers go off late.
func tickOf(interval time.Duration) time.Duration { return interval - interval/100 }

// lastCommit is what the last commit has to say about the next one.
type lastCommit struct {
	pace  <-chan time.Time // nil when it was long enough ago
	again <-chan time.Time // for what was refused; nil if nothing was
}

// awaitDue waits for a commit to be due, and returns the claim that waits for it, if one does. It reports
// false when ctx has ended.
func (k *committer) awaitDue(ctx context.Context, interval <-chan time.Time, last *lastCommit) (waiting flush, ok bool) {
	for {
		asked, urgent := k.asked, k.urgent
		if last.pace != nil {
			asked = nil
		}
		if last.again != nil {
			asked, urgent = nil, nil // what was refused just now isn't worth a hurry
		}
		select {
		case <-ctx.Done():
			return flush{}, false
		case <-last.pace:
			last.pace = nil
			continue
		case waiting = <-k.flushes:
		case <-interval:
		case <-asked:
		case <-urgent:
		case <-last.again:
		}
		return waiting, true
	}
}

// flush commits what the claim has, and returns nil once the broker holds it or
// there was nothing. It tries again until ctx ends or the claim is fenced.
func (k *committer) flush(ctx context.Context, c *claim) error {
	wait := firstCommitRetry
	for {
		err := k.flushOnce(ctx, c)
		if err == nil || errors.Is(err, source.ErrFenced) || errors.Is(err, source.ErrDenied) || ctx.Err() != nil {
			return err
		}
		if stage.Park(ctx, wait) != nil {
			return err
		}
		wait = min(2*wait, lastCommitRetry)
	}
}

func (k *committer) flushOnce(ctx context.Context, c *claim) error {
	f := flush{claim: c, done: make(chan error, 1)}
	select {
	case k.flushes <- f:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-f.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// commit makes one request for all claims that have something new, and returns what was refused.
func (k *committer) commit(ctx context.Context, claims []*claim) map[*claim]error {
	var dirty []*claim
	var commits []source.Commit
	for _, c := range claims {
		if offset, ok := k.snapshot(c); ok {
			dirty = append(dirty, c)
			commits = append(commits, source.Commit{Claim: c.src, Next: offset + 1})
		} else if c.starved.Load() {
			c.poke() // what had been committed past may have settled, and left
		}
	}
	if len(commits) == 0 {
		return nil
	}
	started := time.Now()
	ctx, cancel := context.WithTimeout(ctx, k.e.cfg.CommitTimeout)
	verdicts := k.e.cfg.Source.Commit(ctx, commits)
	cancel()
	refused := make(map[*claim]error)
	for i, c := range dirty {
		if err := verdicts[i]; err != nil {
			refused[c] = err
			k.refused(c, err)
			continue
		}
		c.committed(commits[i].Next - 1)
	}
	k.e.meters.committed(time.Since(started), verdicts)
	return refused
}

// snapshot asks the claim's window. A strategy that panics ends the pipeline.
func (k *committer) snapshot(c *claim) (offset int64, ok bool) {
	defer func() {
		if v := recover(); v != nil {
			k.e.halt(&Error{
				Code: CommitFailed, Topic: c.name.topic, Partition: c.name.partition, Offset: -1,
				Cause: stage.Recovered(v),
			})
			offset, ok = 0, false
		}
	}()
	if c.fenced.Load() {
		return 0, false
	}
	offset, ok = c.tracker.Snapshot(k.e.cfg.Strategy, time.Now())
	if !ok || offset < c.asked {
		// The broker may hold what was asked for before, though its answer was lost.
		return 0, false
	}
	c.asked = offset
	return offset, true
}

func (k *committer) refused(c *claim, err error) {
	if log := k.e.muffler.line(k.e.log.WithFields(c.fields())); log != nil { // many in a row around a rebalance
		log.Warn("burrow: the broker refused a commit: " + stage.Redacted(err))
	}
	c.mu.Lock()
	c.counts.commitFailures++
	c.commitErr = err
	c.mu.Unlock()
	switch {
	case errors.Is(err, source.ErrFenced):
		c.fence()
	case errors.Is(err, source.ErrDenied):
		k.e.halt(&Error{Code: CommitFailed, Topic: c.name.topic, Partition: c.name.partition, Offset: -1, Cause: err})
	}
}

// retryAfter returns when to try again what was refused and may be retried.
func (k *committer) retryAfter(refused map[*claim]error) <-chan time.Time {
	retriable := false
	for _, err := range refused {
		retriable = retriable || (!errors.Is(err, source.ErrFenced) && !errors.Is(err, source.ErrDenied))
	}
	if !retriable {
		k.failing = 0
		return nil
	}
	wait := min(firstCommitRetry<<min(k.failing, 10), lastCommitRetry)
	k.failing++
	return time.After(wait)
}

// committed records that the broker holds a commit of the offset.
func (c *claim) committed(offset int64) {
	due := c.tracker.Ack(offset)
	c.releaseStuck(offset)
	c.mu.Lock()
	c.commitErr = nil
	c.counts.commits++
	c.mu.Unlock()
	if due {
		c.e.committer.ask(c)
	}
	if c.starved.Load() {
		c.poke()
	}
}

// releaseStuck lets go the failed messages that the strategy had committed past,
// and with them what waited behind them.
func (c *claim) releaseStuck(committed int64) {
	c.mu.Lock()
	var ready []*task
	var passed []int64
	for t := c.stuck.oldest; t != nil; {
		newer := t.newer
		if pos := t.msg.Position(); pos.Offset <= committed {
			passed = append(passed, pos.Offset)
			c.stuck.remove(t)
			c.counts.passed++
			if t.laned {
				c.outstanding.Add(-1)
			}
			if follow := c.passLane(t); follow != nil {
				ready = append(ready, follow)
			}
			c.recycle(t)
		}
		t = newer
	}
	c.mu.Unlock()
	if len(passed) > 0 {
		c.e.log.WithFields(c.fields()).WithField("offsets", firstOf(passed, 10)).WithField("count", len(passed)).
			Error("burrow: failed messages were committed past, as the commit strategy says; they will not be delivered again")
	}
	c.e.pool.pushEarly(&c.queue, ready...)
}
