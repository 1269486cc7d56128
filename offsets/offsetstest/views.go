package offsetstest

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/vlab-research/burrow/offsets"
)

// history is a tracker with a past made by chance, from the same seed always the same.
type history struct {
	tracker *offsets.Tracker
	random  *rand.Rand
	open    []offsets.Ticket
	next    int64
	now     time.Time
}

func newHistory(seed uint64) *history {
	random := rand.New(rand.NewPCG(seed, 0))
	start := random.Int64N(3) * 1_000_000
	return &history{
		tracker: offsets.NewTracker(start-1, offsets.Limits{}), random: random, next: start,
		now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
}

// step admits a message, perhaps behind a hole, or settles one that is open.
func (h *history) step() {
	h.now = h.now.Add(time.Duration(h.random.ExpFloat64() * float64(time.Minute)))
	if len(h.open) == 0 || h.random.IntN(5) < 2 {
		h.next += h.random.Int64N(4) / 2
		ticket, err := h.tracker.Admit(h.next, 100, h.now)
		if err == nil {
			h.open = append(h.open, ticket)
		}
		h.next++
		return
	}
	i := h.random.IntN(len(h.open))
	switch h.random.IntN(6) {
	case 0, 1:
		h.tracker.Fail(h.open[i], 1+h.random.IntN(9), h.now)
	case 2:
		h.tracker.Retry(h.open[i], h.now)
	default:
		h.tracker.Resolve(h.open[i])
		h.open = slices.Delete(h.open, i, i+1)
	}
}

// sampleViews returns the views of many small windows at every moment of their past.
func sampleViews() []offsets.View {
	views := []offsets.View{offsets.NewView(-1, -1, -1, time.Now())}
	for seed := range uint64(100) {
		h := newHistory(seed)
		for range 30 {
			h.step()
			views = append(views, h.view())
			if h.random.IntN(6) == 0 {
				v := views[len(views)-1]
				h.tracker.Ack([]int64{v.Contiguous, v.Contiguous, v.Resolved}[h.random.IntN(3)])
			}
		}
	}
	return views
}

// view copies the window's view, so that it lives on.
func (h *history) view() (copied offsets.View) {
	h.tracker.Committable(viewing(func(v offsets.View) {
		copied = offsets.NewView(v.Committed, v.Contiguous, v.Delivered, v.Now, slices.Collect(v.Unresolved())...)
		copied.Resolved = v.Resolved
	}), h.now)
	return copied
}

// viewing is a strategy that only looks.
type viewing func(v offsets.View)

func (f viewing) Committable(v offsets.View) int64 {
	f(v)
	return v.Committed
}

// bigViews returns windows of n messages that are hard in different ways.
func bigViews(n int) map[string]offsets.View {
	now := time.Now()
	all := func(state offsets.State) (list []offsets.Unresolved) {
		for i := range n {
			list = append(list, offsets.Unresolved{Offset: int64(i), State: state, Since: now.Add(-240 * time.Hour)})
		}
		return list
	}
	last := int64(n - 1)
	failed := all(offsets.Failed)
	return map[string]offsets.View{
		"all resolved":            offsets.NewView(-1, last, last, now),
		"all pending":             offsets.NewView(-1, -1, last, now, all(offsets.Pending)...),
		"all failed":              offsets.NewView(-1, -1, last, now, failed...),
		"every second one failed": offsets.NewView(-1, -1, 2*last, now, failed...),
	}
}
