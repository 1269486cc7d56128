package main

import "github.com/vlab-research/burrow/offsets"

// GiveUp commits past messages that failed at least Tries times: an outage has cost
// them, and they are lost. One that failed sooner can't succeed as the code is now, so it
// holds the commit until somebody has mended the code; nothing behind it is lost.
type GiveUp struct{ Tries int }

// Committable implements [offsets.CommitStrategy].
func (g GiveUp) Committable(v offsets.View) int64 {
	passed := false
	for u := range v.Unresolved() {
		if u.State == offsets.Failed && u.Attempts >= g.Tries {
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
