package world

import (
	"testing"
	"time"
)

func TestALateEndIsExcusedOnlyByProcessesThatWaitedForACPU(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		took, waited time.Duration
		want         bool
	}{
		"a little late, all the time busy": {drain + 200*time.Millisecond, drain, true},
		"a little late, and nobody waited": {drain + 200*time.Millisecond, 0, false},
		"late by more than was waited":     {drain + 900*time.Millisecond, 800 * time.Millisecond, false},
		"far too late, however busy":       {2 * drain, 2 * drain, false},
	} {
		if got := overloaded(c.took, c.waited); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
