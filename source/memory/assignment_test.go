package memory

import (
	"slices"
	"testing"
)

func TestAssignmentIsBalancedAndSticky(t *testing.T) {
	t.Parallel()
	all := func(int, int) bool { return true }
	for name, c := range map[string]struct {
		holders []int
		members int
		may     func(partition, member int) bool
		want    []int
	}{
		"nobody":               {holders: []int{-1, -1}, members: 0, may: all, want: []int{-1, -1}},
		"fresh":                {holders: []int{-1, -1, -1}, members: 2, may: all, want: []int{0, 1, 0}},
		"one joins":            {holders: []int{0, 0, 0, 0}, members: 2, may: all, want: []int{0, 0, 1, 1}},
		"odd stays":            {holders: []int{0, 0, 1}, members: 2, may: all, want: []int{0, 0, 1}},
		"one left":             {holders: []int{-1, 0, -1, 0}, members: 1, may: all, want: []int{0, 0, 0, 0}},
		"more members":         {holders: []int{0, -1}, members: 3, may: all, want: []int{0, 1}},
		"subscriptions differ": {holders: []int{-1, -1, -1}, members: 2, may: func(p, m int) bool { return m == 0 || p == 2 }, want: []int{0, 0, 1}},
		"nobody wants one":     {holders: []int{0, 0}, members: 1, may: func(p, _ int) bool { return p == 1 }, want: []int{-1, 0}},
	} {
		if got := assign(c.holders, c.members, c.may); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func FuzzAssignment(f *testing.F) {
	f.Add([]byte{0, 0, 1, 2}, uint8(3))
	f.Fuzz(func(t *testing.T, held []byte, members uint8) {
		n := int(members%8) + 1
		holders := make([]int, len(held))
		for i, h := range held {
			holders[i] = int(h)%(n+1) - 1
		}
		load := make([]int, n)
		got := assign(holders, n, func(int, int) bool { return true })
		for _, m := range got {
			load[m]++
		}
		if slices.Max(load)-slices.Min(load) > 1 {
			t.Errorf("%v gives the loads %v", holders, load)
		}
		if !slices.Equal(assign(got, n, func(int, int) bool { return true }), got) {
			t.Error("a second rebalance moves something")
		}
	})
}
