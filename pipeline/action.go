package pipeline

import (
	"errors"

	"github.com/vlab-research/burrow/stage"
)

// outcome is what became of a message.
type outcome uint8

const (
	succeeded    outcome = iota // resolved: its stages succeeded
	skipped                     // resolved: a stage said Skip
	deadLettered                // resolved: a dead letter was acknowledged
	failed                      // not resolved: out of retries
	abandoned                   // not resolved: its claim drains; it will be delivered again
)

func (o outcome) resolved() bool { return o <= deadLettered }

// result is how the work on a message ended.
type result struct {
	err error
	// draining tells that the claim drains, over that its context has ended.
	draining, over bool
	// failedInRow is how many messages of the claim failed in a row before this one.
	failedInRow int
}

// policy is what the user wants of failures.
type policy struct {
	maxConsecutive int
	mode           FailureMode
}

// action is what the engine does about a result.
type action struct {
	outcome outcome
	// trip halts the pipeline, or freezes the claim.
	halt, freeze bool
}

// computeAction decides what a result means. It is pure.
func computeAction(r result, p policy) action {
	o := outcomeOf(r)
	trip := o == failed && r.failedInRow+1 >= p.maxConsecutive
	return action{outcome: o, halt: trip && p.mode == Halt, freeze: trip && p.mode == Freeze}
}

func outcomeOf(r result) outcome {
	if r.err == nil {
		return succeeded
	}
	if _, ok := errors.AsType[*stage.DeadLetteredError](r.err); ok {
		return deadLettered
	}
	if errors.Is(r.err, stage.Skip) {
		return skipped
	}
	if r.over || (r.draining && errors.Is(r.err, stage.ErrReleased)) {
		return abandoned
	}
	return failed
}
