package stage_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/vlab-research/burrow/stage"
)

// BenchmarkChain passes a message through middleware that only passes it on.
func BenchmarkChain(b *testing.B) {
	pass := func(next stage.Stage) stage.Stage {
		return stage.Func(func(ctx context.Context, msg stage.Message) (stage.Message, error) { return next.Process(ctx, msg) })
	}
	for _, n := range []int{0, 1, 10, 100} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			var all []stage.Middleware
			for range n {
				all = append(all, pass)
			}
			process(b, stage.Chain(all...)(stage.Func(func(_ context.Context, msg stage.Message) (stage.Message, error) { return msg, nil })))
		})
	}
}

// BenchmarkTyped passes a message through typed stages.
func BenchmarkTyped(b *testing.B) {
	bytes := stage.Handle(func(context.Context, []byte) error { return nil })
	decode, use := stage.Decode(number), stage.Handle(func(context.Context, int) error { return nil })
	check := stage.Validate(func(int) error { return nil })
	b.Run("bytes", func(b *testing.B) { process(b, bytes) })
	b.Run("decoded", func(b *testing.B) { process(b, decode, use) })
	b.Run("decoded and checked", func(b *testing.B) { process(b, decode, check, use) })
}

func process(b *testing.B, stages ...stage.Stage) {
	b.Helper()
	ctx, msg := b.Context(), stage.New([]byte("key"), []byte("12345"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := run(ctx, msg, stages...); err != nil {
			b.Fatal(err)
		}
	}
}
