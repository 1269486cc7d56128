package pipeline

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/vlab-research/burrow/stage"
)

// TestEveryResultHasOneVerdict goes over every combination of an error, the claim's
// state, the failures before and the policy.
func TestEveryResultHasOneVerdict(t *testing.T) {
	t.Parallel()
	type verdicts struct{ at, draining, over outcome } // in a claim that is so
	kinds := map[string]struct {
		err  error
		want verdicts
	}{
		"success":               {nil, verdicts{succeeded, succeeded, succeeded}},
		"skip":                  {stage.Skip, verdicts{skipped, skipped, skipped}},
		"wrapped skip":          {fmt.Errorf("seen: %w", stage.Skip), verdicts{skipped, skipped, skipped}},
		"dead letter":           {&stage.DeadLetteredError{Err: errBoom}, verdicts{deadLettered, deadLettered, deadLettered}},
		"wrapped dead letter":   {fmt.Errorf("x: %w", &stage.DeadLetteredError{Err: errBoom}), verdicts{deadLettered, deadLettered, deadLettered}},
		"error":                 {errBoom, verdicts{failed, failed, abandoned}},
		"stage error":           {&stage.Error{Stage: "s", Err: errBoom}, verdicts{failed, failed, abandoned}},
		"panic":                 {&stage.PanicError{Value: "v"}, verdicts{failed, failed, abandoned}},
		"payload":               {&stage.PayloadError{Op: "decode", Err: errBoom}, verdicts{failed, failed, abandoned}},
		"exited":                {stage.ErrExited, verdicts{failed, failed, abandoned}},
		"released":              {stage.ErrReleased, verdicts{failed, abandoned, abandoned}},
		"released after a try":  {errors.Join(stage.ErrReleased, errBoom), verdicts{failed, abandoned, abandoned}},
		"context":               {context.Canceled, verdicts{failed, failed, abandoned}},
		"cancelled at the head": {fmt.Errorf("%w: %w", ErrHeadOfLine, context.Canceled), verdicts{failed, failed, abandoned}},
	}
	for name, kind := range kinds {
		for state, want := range map[*result]outcome{
			{}:                           kind.want.at,
			{draining: true}:             kind.want.draining,
			{draining: true, over: true}: kind.want.over,
			{over: true}:                 kind.want.over,
		} {
			for before := range 4 {
				for limit := 1; limit <= 3; limit++ {
					for _, mode := range []FailureMode{Halt, Freeze} {
						r := result{err: kind.err, draining: state.draining, over: state.over, failedInRow: before}
						got := computeAction(r, policy{maxConsecutive: limit, mode: mode})
						trips := want == failed && before+1 >= limit
						expect := action{outcome: want, halt: trips && mode == Halt, freeze: trips && mode == Freeze}
						if got != expect {
							t.Errorf("%s, %+v, limit %d, mode %d: %+v, want %+v", name, r, limit, mode, got, expect)
						}
					}
				}
			}
		}
	}
}
