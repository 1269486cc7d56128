package windowbench

import (
	"testing"

	"github.com/vlab-research/burrow/offsets"
)

// Shape says which messages of a window of n are unresolved.
type Shape struct {
	Name    string
	Pending func(i, n int) bool
}

// Shapes returns windows whose gaps lie in different places.
func Shapes() []Shape {
	return []Shape{
		{"none is pending", func(int, int) bool { return false }},
		{"the first is", func(i, _ int) bool { return i == 0 }},
		{"the last is", func(i, n int) bool { return i == n-1 }},
		{"every second is", func(i, _ int) bool { return i%2 == 1 }},
		{"all are", func(int, int) bool { return true }},
	}
}

// SnapshotSizes returns how many messages a window may hold.
func SnapshotSizes() []int { return []int{10, 1_000, 100_000} }

// Snapshot asks a window of n messages what may be committed, again and again.
func Snapshot(b *testing.B, shape Shape, n int, strategy offsets.CommitStrategy) {
	b.Helper()
	b.ReportAllocs()
	w := newWindow()
	for i := range n {
		if ticket := w.Admit(int64(i)); !shape.Pending(i, n) {
			w.tracker.Resolve(ticket)
		}
	}
	for b.Loop() {
		w.tracker.Snapshot(strategy, w.now)
	}
}
