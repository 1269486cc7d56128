package offsetstest

import "github.com/vlab-research/burrow/offsets"

// checkWindow runs the strategy inside of a tracker, as the pipeline does.
func checkWindow(t reporter, strategy offsets.CommitStrategy) {
	for seed := range uint64(100) {
		h := newHistory(seed)
		for range 40 {
			h.step()
			if !h.checkSnapshot(t, strategy) {
				return
			}
		}
	}
}

func (h *history) checkSnapshot(t reporter, strategy offsets.CommitStrategy) bool {
	view, before := h.view(), h.tracker.Usage()
	guarded := &guard{t: t, strategy: strategy}
	offset, ok := h.tracker.Snapshot(guarded, h.now)
	answer, sound := ask(t, strategy, view)
	if guarded.panicked || !sound {
		return false
	}
	switch after := h.tracker.Usage(); {
	case after != before:
		t.Errorf("the window changed from %+v to %+v", before, after)
	case offset < view.Committed || offset > view.Delivered || ok != (offset > view.Committed):
		t.Errorf("the snapshot is %d, %v: %s", offset, ok, describe(view))
	case offset != clamped(view, answer):
		t.Errorf("the window's view gave %d, a copy of it %d: %s", offset, clamped(view, answer), describe(view))
	default:
		if ok && h.random.IntN(3) == 0 {
			h.tracker.Ack(offset)
		}
		return true
	}
	return false
}

// guard reports the panics of a strategy.
type guard struct {
	t        reporter
	strategy offsets.CommitStrategy
	panicked bool
}

func (g *guard) Committable(v offsets.View) int64 {
	answer, ok := ask(g.t, g.strategy, v)
	g.panicked = !ok
	return answer
}
