package offsets

import (
	"iter"
	"time"
)

// State is what became of a message in the window.
type State uint8

const (
	// Pending is a message that is queued, in flight or parked.
	Pending State = iota
	// Failed is a message that is out of retries and not resolved.
	Failed
	// Resolved is a message that needs no more work.
	Resolved
)

// String returns the state in lower case.
func (s State) String() string {
	switch s {
	case Pending:
		return "pending"
	case Failed:
		return "failed"
	case Resolved:
		return "resolved"
	}
	return "unknown"
}

// Unresolved is a message in the window that is not resolved.
type Unresolved struct {
	Offset int64
	State  State // Pending or Failed
	// Attempts is how often a failed message was tried; 0 while pending.
	Attempts int
	// Since is when a pending message was admitted, or when a failed one failed.
	Since time.Time
}

// View is one claim's window at one moment, as a [CommitStrategy] sees it.
type View struct {
	// Committed is the last offset known to be committed.
	Committed int64
	// Delivered is the last offset admitted to the window; Committed if none was.
	Delivered int64
	// Contiguous is the highest offset such that it and everything delivered before it is resolved or committed.
	Contiguous int64
	// Resolved is the highest resolved offset, whatever is missing below it; at least Contiguous.
	Resolved int64
	// Now is the time of the view.
	Now time.Time

	listed []Unresolved
	window *Tracker
	end    Ticket
}

// NewView makes a view out of its parts, to test a strategy with. The unresolved
// messages ascend by offset. Resolved is taken as Contiguous; set it where it matters.
func NewView(committed, contiguous, delivered int64, now time.Time, unresolved ...Unresolved) View {
	return View{
		Committed: committed, Delivered: delivered, Contiguous: contiguous, Resolved: contiguous,
		Now: now, listed: unresolved,
	}
}

// Unresolved returns the unresolved messages that are not committed past, oldest
// first. It is valid only until Committable returns.
func (v View) Unresolved() iter.Seq[Unresolved] {
	return func(yield func(Unresolved) bool) {
		for _, u := range v.listed {
			if !yield(u) {
				return
			}
		}
		if v.window != nil {
			v.window.eachUnresolved(v.end, yield)
		}
	}
}
