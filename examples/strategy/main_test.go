package main

import (
	"testing"
	"time"

	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/offsets/offsetstest"
)

// What every strategy must keep, on some thousand windows.
func TestGiveUpKeepsTheRules(t *testing.T) {
	t.Parallel()
	offsetstest.Exercise(t, GiveUp{Tries: 3}, offsetstest.NeverPassesPending)
}

// What is special about this one.
func TestGiveUpPassesOnlyWhatWasTriedEnough(t *testing.T) {
	t.Parallel()
	failed := func(offset int64, tries int) offsets.Unresolved {
		return offsets.Unresolved{Offset: offset, State: offsets.Failed, Attempts: tries}
	}
	pending := func(offset int64) offsets.Unresolved { return offsets.Unresolved{Offset: offset} }
	cases := map[string]struct {
		unresolved []offsets.Unresolved
		want       int64
	}{
		"nothing unresolved":      {nil, 20},
		"tried enough":            {[]offsets.Unresolved{failed(10, 3)}, 20},
		"failed at once":          {[]offsets.Unresolved{failed(10, 1)}, 9},
		"both":                    {[]offsets.Unresolved{failed(10, 3), failed(15, 1)}, 14},
		"in progress":             {[]offsets.Unresolved{pending(10)}, 9},
		"in progress behind both": {[]offsets.Unresolved{failed(10, 3), failed(11, 4), pending(12)}, 11},
	}
	for name, tc := range cases {
		contiguous := int64(20)
		if len(tc.unresolved) > 0 {
			contiguous = tc.unresolved[0].Offset - 1
		}
		view := offsets.NewView(5, contiguous, 20, time.Now(), tc.unresolved...)
		if got := (GiveUp{Tries: 3}).Committable(view); got != tc.want {
			t.Errorf("%s: committable %d, want %d", name, got, tc.want)
		}
	}
}

func TestTheProgramEnds(t *testing.T) {
	t.Parallel()
	if err := run(); err != nil {
		t.Fatal(err)
	}
}
