package sim_test

import "time"

// row counts failures in a row. What ends at one instant has no order, so it counts the most
// and the fewest that can be.
type row struct {
	at                  time.Time // of the last end
	mostBefore, least   int       // in a row, before that instant
	failures, successes int       // at that instant
	unsure              int       // failures at that instant that may have come before a thaw at it
	thawed              time.Time
	most                *int // in a row, when that instant is over
	peak                int
	tripped             time.Time // when the fewest reached the limit
}

// move begins an instant. The rows before it end with what can have come last.
func (r *row) move(now time.Time) {
	if r.at.Equal(now) {
		return
	}
	if r.successes > 0 {
		r.mostBefore, r.least = r.failures, 0
	} else {
		r.mostBefore, r.least = r.mostBefore+r.failures, r.least+r.failures-r.unsure
	}
	r.at, r.failures, r.successes, r.unsure, r.most = now, 0, 0, 0, new(int)
}

func (r *row) success(now time.Time) {
	r.move(now)
	r.successes++
	if r.tripped.Equal(now) {
		r.tripped = time.Time{}
	}
}

// failure returns the longest row that this one may have ended, which grows with what else
// fails at this instant; earlier tells that the message had been started before the last thaw.
func (r *row) failure(now time.Time, earlier bool) *int {
	r.move(now)
	r.failures++
	if earlier && r.thawed.Equal(now) {
		r.unsure++
	}
	*r.most = r.mostBefore + r.failures
	r.peak = max(r.peak, *r.most)
	return r.most
}

// fewest returns how many failed in a row, whatever came first at this instant.
func (r *row) fewest() int {
	if r.successes > 0 {
		return 0
	}
	return r.least + r.failures - r.unsure
}

// thaw begins anew, perhaps before the failures of this instant and perhaps behind them.
func (r *row) thaw(now time.Time) {
	r.move(now)
	r.thawed, r.tripped = now, time.Time{}
	r.mostBefore, r.least, r.unsure, r.peak = 0, 0, r.failures, r.failures
}

// judge takes down that the limit is reached.
func (r *row) judge(limit int, working bool) {
	if r.fewest() >= limit && working && r.tripped.IsZero() {
		r.tripped = r.at
	}
}
