package pipeline

import (
	"errors"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

// finish settles a task by how its work ended. It returns the task that waited for it,
// if that may start now, and whether the caller holds a permit.
func (c *claim) finish(t *task, err error) (follow *task, permit bool) {
	msg := t.msg // whose position is looked at only if need be: it is cold memory, as the task is
	c.mu.Lock()
	permit = t.permit
	a := computeAction(result{
		err: err, draining: c.begun, over: err != nil && c.ctx.Err() != nil, failedInRow: int(c.failures.Load()),
	}, c.e.policy)
	var changed, due bool
	var frozen *Error
	switch {
	case a.outcome.resolved():
		changed, due = c.tracker.Resolve(t.ticket)
		c.endRow()
		follow = c.passLane(t)
	case a.outcome == failed:
		changed, due, frozen = c.fail(t, a, err)
	}
	if c.begun && !a.outcome.resolved() {
		c.trim(min(c.limit, msg.Position().Offset))
	}
	c.count(a.outcome, changed)
	c.prove(t)
	c.leave(t, a.outcome)
	c.mu.Unlock()

	if due {
		c.e.committer.ask(c)
	}
	if a.outcome == failed && changed {
		c.afterFailure(a, msg.Position(), err, frozen)
	} else if a.outcome != abandoned && !changed {
		if log := c.messageLog(msg.Position()); log != nil {
			log.Warn("burrow: a message ended after its partition was given up; it will be delivered again")
		}
	}
	return follow, permit
}

// fail settles a message that is out of retries, and freezes the claim if that was one too many: for
// what it returns then. The claim's mutex is held.
func (c *claim) fail(t *task, a action, err error) (changed, due bool, frozen *Error) {
	pos := t.msg.Position()
	changed, due = c.tracker.Fail(t.ticket, attemptsOf(err), time.Now())
	c.failures.Add(1)
	t.failure = failureOf(pos, err)
	c.failure = t.failure
	if changed && a.freeze {
		if limit := c.errorAt(ThresholdExceeded, pos.Offset, t.failure); c.freeze(limit) {
			frozen = limit
		}
	}
	return changed, due, frozen
}

// endRow says that a message succeeded.
func (c *claim) endRow() {
	if c.failures.Load() != 0 { // to store it would cost more than to look
		c.failures.Store(0)
	}
}

// passLane gives the lane to the next task of it. The claim's mutex is held.
func (c *claim) passLane(t *task) *task {
	if !t.laned {
		return nil
	}
	follow := t.follow
	if follow == nil {
		c.lanes.free(t)
	}
	if follow != nil && follow.state == taskDropped {
		return nil
	}
	return follow
}

// leave takes a task off the claim's list. A failed one stays for as long as it
// holds the commit. The claim's mutex is held.
func (c *claim) leave(t *task, o outcome) {
	c.live.remove(t)
	if o != failed || !t.laned {
		c.outstanding.Add(-1)
	}
	if o == failed && !c.begun {
		t.state = taskFailed
		c.stuck.push(t)
	} else {
		if t.laned && !o.resolved() {
			c.lanes.free(t) // the drain starts nothing behind it
		}
		c.recycle(t)
	}
	if c.begun && c.live.n == 0 {
		c.endDrain()
	}
}

// prove watches for work that is quick enough for the reader. The claim's mutex is held.
func (c *claim) prove(t *task) {
	switch {
	case t.started == 0:
	case c.e.clock()-t.started > quickWork:
		c.quickRun = 0
	default:
		if c.quickRun++; c.quickRun == quickProof {
			c.quickRun = 0
			c.inline.quick.Store(true)
			c.e.monitor.stir()
		}
	}
}

func (c *claim) afterFailure(a action, pos stage.Position, err error, frozen *Error) {
	failure := failureOf(pos, err)
	if log := c.messageLog(pos); log != nil {
		log.WithField("stage", failure.Stage).Warn("burrow: a message failed and holds the commit: " + redacted(err))
	}
	switch {
	case a.halt:
		c.e.halt(c.errorAt(ThresholdExceeded, pos.Offset, failure))
	case frozen != nil:
		c.tellFrozen(frozen)
	case c.e.cfg.Ordering == ByPartition && !c.willPass(pos.Offset):
		c.block(pos.Offset, failure)
	}
	if committed := c.tracker.Usage().Committed; committed >= pos.Offset {
		c.releaseStuck(committed) // no later commit need come
	}
	if c.starved.Load() {
		c.poke() // the window may be full behind this message
	}
}

// block halts the pipeline, or freezes the claim, by the failure mode, because nothing can
// be started behind the failed message at the offset.
func (c *claim) block(offset int64, cause error) {
	err := c.errorAt(WindowBlocked, offset, cause)
	if c.e.policy.mode == Halt {
		c.e.halt(err)
		return
	}
	c.mu.Lock()
	_, failed := c.failedHead()
	froze := failed && c.freeze(err) // unless the claim was resumed meanwhile
	c.mu.Unlock()
	if froze {
		c.tellFrozen(err)
	}
}

// freeze starts no more of the claim's messages; false if it is frozen already. What the caller decided it
// by must hold still, so that it doesn't undo a resumption. The claim's mutex is held.
func (c *claim) freeze(err *Error) bool {
	if c.frozen != nil {
		return false
	}
	c.frozen, c.frozenAt = err, time.Now()
	c.e.pool.hold(&c.queue, holdFrozen, true)
	return true
}

func (c *claim) tellFrozen(err *Error) {
	c.e.log.WithFields(c.fields()).Error("burrow: claim frozen: " + err.Redacted())
	c.poke()
}

func (c *claim) errorAt(code ErrorCode, offset int64, cause error) *Error {
	return &Error{Code: code, Topic: c.name.topic, Partition: c.name.partition, Offset: offset, Cause: cause}
}

func (c *claim) isFrozen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.frozen != nil
}

func (c *claim) lastFailure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failure
}

func (c *claim) fields() logrus.Fields {
	return logrus.Fields{"topic": c.name.topic, "partition": c.name.partition}
}

// messageLog is the log for what happened to one message; nil if there was too much of it lately.
func (c *claim) messageLog(pos stage.Position) logrus.FieldLogger {
	return c.e.muffler.line(c.e.log.WithFields(c.fields()).WithField("offset", pos.Offset))
}

// attemptsOf returns how often the work was tried, as the retry policy tells it.
func attemptsOf(err error) int {
	if exhausted, ok := errors.AsType[*retry.ExhaustedError](err); ok {
		return exhausted.Attempts
	}
	return 1
}
