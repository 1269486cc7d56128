// Package offsetstest checks that a commit strategy keeps the rules of
// [offsets.CommitStrategy].
//
//	func TestMyStrategy(t *testing.T) {
//		offsetstest.Exercise(t, MyStrategy{}, offsetstest.NeverPassesPending)
//	}
package offsetstest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vlab-research/burrow/offsets"
)

// Promise is something that a strategy may promise beyond the rules for all.
type Promise uint8

const (
	// NeverPassesPending promises that no commit passes a message that is still being
	// worked on. [offsets.Ordered] and [offsets.SkipFailures] keep it.
	NeverPassesPending Promise = iota + 1
	// NeverPassesUnresolved promises that no commit passes a pending or a failed
	// message, so that none is ever lost. [offsets.Ordered] keeps it.
	NeverPassesUnresolved
)

// Slowest is how long one call of a strategy may take, at best of several, on a
// window of 10 000 messages. A strategy runs with the window locked.
const Slowest = 20 * time.Millisecond

// Exercise runs the strategy on some thousand windows and checks that it is pure
// (the same view gives the same answer, whatever was asked before), safe from many
// goroutines (run the test with -race), quick ([Slowest]), that it doesn't panic,
// leaves the window as it was and, once clamped by the tracker, never goes back nor
// past what was delivered; and the promises. It takes less than a second.
func Exercise(t *testing.T, strategy offsets.CommitStrategy, promises ...Promise) {
	t.Helper()
	for _, r := range rules(promises) {
		t.Run(r.name, func(t *testing.T) { r.check(t, strategy) })
	}
}

// reporter is the part of [testing.T] that a rule needs.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

type rule struct {
	name  string
	check func(t reporter, strategy offsets.CommitStrategy)
}

func rules(promises []Promise) []rule {
	list := []rule{
		{"pure", checkPure},
		{"concurrent", checkConcurrent},
		{"quick", checkQuick},
		{"leaves the window alone", checkWindow},
	}
	for _, p := range promises {
		switch p {
		case NeverPassesPending:
			list = append(list, rule{"never passes a pending message", checkPending})
		case NeverPassesUnresolved:
			list = append(list, rule{"never passes an unresolved message", checkUnresolved})
		default:
			list = append(list, rule{"promise", func(t reporter, _ offsets.CommitStrategy) {
				t.Errorf("offsetstest: unknown promise %d", p)
			}})
		}
	}
	return list
}

// ask calls the strategy. It reports a panic and then returns false.
func ask(t reporter, strategy offsets.CommitStrategy, v offsets.View) (answer int64, ok bool) {
	t.Helper()
	defer func() {
		if cause := recover(); cause != nil {
			t.Errorf("Committable panicked: %v\n%s", cause, describe(v))
		}
	}()
	return strategy.Committable(v), true
}

func clamped(v offsets.View, answer int64) int64 {
	return min(max(answer, v.Committed), v.Delivered)
}

func describe(v offsets.View) string {
	text := fmt.Sprintf("committed %d, contiguous %d, resolved %d, delivered %d", v.Committed, v.Contiguous, v.Resolved, v.Delivered)
	shown := 0
	for u := range v.Unresolved() {
		if shown++; shown > 20 {
			return text + "; …"
		}
		text += fmt.Sprintf("; %d %v for %v", u.Offset, u.State, v.Now.Sub(u.Since))
	}
	return text
}

func checkPure(t reporter, strategy offsets.CommitStrategy) {
	views := sampleViews()
	answers := make([]int64, len(views))
	for i, v := range views {
		first, ok := ask(t, strategy, v)
		if !ok {
			return
		}
		answers[i] = first
		if again, _ := ask(t, strategy, v); again != first {
			t.Errorf("the same view gave %d, then %d: %s", first, again, describe(v))
			return
		}
	}
	for i, v := range slices.Backward(views) {
		if again, _ := ask(t, strategy, v); again != answers[i] {
			t.Errorf("the same view gave %d, and after others %d: %s", answers[i], again, describe(v))
			return
		}
	}
}

func checkConcurrent(t reporter, strategy offsets.CommitStrategy) {
	const goroutines = 8
	views := sampleViews()
	answers := make([][]int64, goroutines)
	var wg sync.WaitGroup
	for g := range answers {
		wg.Go(func() {
			for _, v := range views {
				answer, ok := ask(t, strategy, v)
				if !ok {
					return
				}
				answers[g] = append(answers[g], answer)
			}
		})
	}
	wg.Wait()
	for _, other := range answers[1:] {
		for i := range min(len(other), len(answers[0])) {
			if other[i] != answers[0][i] {
				t.Errorf("the same view gave %d and %d to two goroutines: %s", answers[0][i], other[i], describe(views[i]))
				return
			}
		}
	}
}

func checkQuick(t reporter, strategy offsets.CommitStrategy) {
	for name, v := range bigViews(10_000) {
		best := time.Duration(1<<63 - 1)
		for range 5 {
			began := time.Now()
			if _, ok := ask(t, strategy, v); !ok {
				return
			}
			best = min(best, time.Since(began))
		}
		if best > Slowest {
			t.Errorf("%s: Committable takes %v, more than %v", name, best, Slowest)
			return
		}
	}
}

func checkPending(t reporter, strategy offsets.CommitStrategy) {
	checkPassed(t, strategy, func(u offsets.Unresolved) bool { return u.State == offsets.Pending })
}

func checkUnresolved(t reporter, strategy offsets.CommitStrategy) {
	checkPassed(t, strategy, func(offsets.Unresolved) bool { return true })
}

func checkPassed(t reporter, strategy offsets.CommitStrategy, held func(offsets.Unresolved) bool) {
	for _, v := range sampleViews() {
		answer, ok := ask(t, strategy, v)
		if !ok {
			return
		}
		answer = clamped(v, answer)
		for u := range v.Unresolved() {
			if held(u) && answer >= u.Offset {
				t.Errorf("%d passes the %v message %d: %s", answer, u.State, u.Offset, describe(v))
				return
			}
		}
	}
}
