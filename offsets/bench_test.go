package offsets_test

import (
	"strconv"
	"testing"

	"github.com/vlab-research/burrow/internal/windowbench"
	"github.com/vlab-research/burrow/offsets"
)

// BenchmarkMessage admits n messages and then resolves them, again and again, with
// a snapshot and an acknowledgement for each thousand. Look at ns/msg.
func BenchmarkMessage(b *testing.B) {
	b.Run("window", func(b *testing.B) { windowbench.Messages(b, windowbench.NewWindow) })
	b.Run("plain", func(b *testing.B) { windowbench.Messages(b, windowbench.NewPlain) })
	b.Run("map", func(b *testing.B) { windowbench.Messages(b, windowbench.NewMap) })
}

// BenchmarkMessageShared has one goroutine that admits and some that resolve.
func BenchmarkMessageShared(b *testing.B) {
	for _, workers := range []int{1, 2, 16, 100} {
		name := strconv.Itoa(workers)
		b.Run("window/"+name, func(b *testing.B) { windowbench.Shared(b, windowbench.NewWindow(), workers) })
		b.Run("plain/"+name, func(b *testing.B) { windowbench.Shared(b, windowbench.NewPlain(), workers) })
		b.Run("map/"+name, func(b *testing.B) { windowbench.Shared(b, windowbench.NewMap(), workers) })
	}
}

// BenchmarkSnapshot costs the same however many messages the window has and wherever its gaps lie.
func BenchmarkSnapshot(b *testing.B) {
	for _, shape := range windowbench.Shapes() {
		for _, n := range windowbench.SnapshotSizes() {
			b.Run(shape.Name+"/"+strconv.Itoa(n), func(b *testing.B) { windowbench.Snapshot(b, shape, n, offsets.Ordered{}) })
		}
	}
}
