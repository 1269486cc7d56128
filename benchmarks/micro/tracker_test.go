// Package micro_test measures other ways to know what may be committed beside
// burrow's window.
package micro_test

import (
	"strconv"
	"testing"

	"github.com/vlab-research/burrow/benchmarks/internal/checkpoints"
	"github.com/vlab-research/burrow/internal/windowbench"
)

// BenchmarkMessage admits n messages and then resolves them, again and again. Look at ns/msg.
func BenchmarkMessage(b *testing.B) {
	b.Run("burrow", func(b *testing.B) { windowbench.Messages(b, windowbench.NewWindow) })
	b.Run("map", func(b *testing.B) { windowbench.Messages(b, windowbench.NewMap) })
	b.Run("checkpoint-uncapped", func(b *testing.B) { windowbench.Messages(b, checkpoints.NewUncapped) })
	b.Run("checkpoint-capped", func(b *testing.B) { windowbench.Messages(b, checkpoints.NewCapped) })
}

// BenchmarkMessageShared has one goroutine that admits and some that resolve.
func BenchmarkMessageShared(b *testing.B) {
	for _, workers := range []int{1, 2, 16} {
		name := strconv.Itoa(workers)
		b.Run("burrow/"+name, func(b *testing.B) { windowbench.Shared(b, windowbench.NewWindow(), workers) })
		b.Run("map/"+name, func(b *testing.B) { windowbench.Shared(b, windowbench.NewMap(), workers) })
		b.Run("checkpoint-uncapped/"+name, func(b *testing.B) { windowbench.Shared(b, checkpoints.NewUncapped(), workers) })
		b.Run("checkpoint-capped/"+name, func(b *testing.B) { windowbench.Shared(b, checkpoints.NewCapped(), workers) })
	}
}
