package main

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/vlab-research/burrow"
)

func TestEachOrderingKeepsWhatItSays(t *testing.T) {
	t.Parallel()
	cases := map[burrow.Ordering]struct {
		most   int
		sorted bool
	}{
		burrow.Unordered:   {workers, false},
		burrow.ByKey:       {customers, true},
		burrow.ByPartition: {1, true},
	}
	for ordering, want := range cases {
		synctest.Test(t, func(t *testing.T) {
			seen := &diary{of: make(map[string][]string)}
			if _, err := consume(ordering, seen); err != nil {
				t.Fatal(err)
			}
			sorted := true
			for _, numbers := range seen.of {
				sorted = sorted && len(numbers) == messages && slices.IsSorted(numbers)
			}
			if seen.most != want.most || sorted != want.sorted {
				t.Errorf("%v: %d at once, in order: %v", ordering, seen.most, sorted)
			}
		})
	}
}
