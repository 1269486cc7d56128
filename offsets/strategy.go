package offsets

import "time"

// CommitStrategy says what may be committed. Implementations are pure: the same
// view always gives the same answer. They are called by many goroutines at once, with the
// window locked, so they return quickly and don't call back into a [Tracker].
// Package offsetstest checks one for these rules.
type CommitStrategy interface {
	// Committable returns the highest offset that may be committed. The tracker
	// clamps it to [Committed, Delivered], so a commit never goes back and never
	// passes what was not delivered.
	Committable(v View) int64
}

// Ordered commits what is contiguous: no commit ever passes an unresolved
// message. It is the default, and the only strategy here that never loses one.
type Ordered struct{}

// Committable returns v.Contiguous. It is O(1).
func (Ordered) Committable(v View) int64 { return v.Contiguous }

// BestEffort commits the highest resolved offset, whatever is missing below it.
// Messages that were failed, parked or in flight below it when the process ended
// are not delivered again: use it where a fresh message is worth more than an old one.
type BestEffort struct{}

// Committable returns v.Resolved. It is O(1).
func (BestEffort) Committable(v View) int64 { return v.Resolved }

// SkipFailures commits like [Ordered], but passes a message that has been failed
// for the time After (0 is at once). Such a message is lost: it is counted and logged,
// and not delivered again. It never passes a message that is still being worked on.
type SkipFailures struct {
	After time.Duration
}

// Committable returns the offset before the first message that holds the commit.
// It is O(1) while that is not a failed one, else it walks the window up to it.
func (s SkipFailures) Committable(v View) int64 {
	passed := false
	for u := range v.Unresolved() {
		if u.State == Failed && v.Now.Sub(u.Since) >= s.After {
			passed = true
			continue
		}
		if passed {
			return u.Offset - 1
		}
		return v.Contiguous
	}
	return v.Delivered
}
