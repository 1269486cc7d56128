package middleware_test

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

// BenchmarkSuccess is what each middleware costs a message that succeeds.
func BenchmarkSuccess(b *testing.B) {
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	meter, _ := newMeter()
	metrics := func() stage.Middleware { return middleware.Metrics(middleware.MeterProvider(meter)) }
	again := func() stage.Middleware { return middleware.Retry(retry.Linear{Step: time.Second}, 3) }
	letter := func() stage.Middleware { return middleware.DeadLetter(nobody{}, "letters") }
	for _, c := range []struct {
		name  string
		chain stage.Middleware
	}{
		{"none", stage.Chain()},
		{"Recover", middleware.Recover()},
		{"Retry", again()},
		{"DeadLetter", letter()},
		{"Timeout", middleware.Timeout(time.Second)},
		{"Logging", middleware.Logging(quiet)},
		{"Metrics", metrics()},
		{"Tracing without a provider", middleware.Tracing()},
		{"Tracing every message", middleware.Tracing(middleware.TracerProvider(sdktrace.NewTracerProvider()))},
		{"RateLimit", middleware.RateLimit(1e12, 1e6)},
		{"Bulkhead", middleware.Bulkhead(100)},
		{"Breaker", middleware.Breaker("database")},
		{"Idempotency", middleware.Idempotency(middleware.NewLRUStore(1000), middleware.MessageID)},
		{"ten of them", stage.Chain(
			middleware.Tracing(), metrics(), middleware.Logging(quiet), middleware.Recover(), letter(), again(),
			middleware.Breaker("database"), middleware.RateLimit(1e12, 1e6), middleware.Bulkhead(100), middleware.Timeout(time.Second),
		)},
	} {
		b.Run(c.name, func(b *testing.B) {
			wrapped := c.chain(always(nil))
			ctx, n := context.WithValue(b.Context(), stage.HostKey{}, stage.Host(newHost())), int64(0)
			var msgs [1 << 12]stage.Message // ids that repeat only after the store forgot them
			for i := range msgs {
				msgs[i] = stage.New([]byte("key"), []byte("value"), stage.At(stage.Position{Topic: "orders", Offset: int64(i)}))
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := wrapped.Process(ctx, msgs[n%int64(len(msgs))]); err != nil {
					b.Fatal(err)
				}
				n++
			}
		})
	}
}

// nobody publishes nothing.
type nobody struct{}

func (nobody) Publish(context.Context, string, []byte, []byte, stage.Headers) error {
	return fmt.Errorf("%w: nothing is to be published", errBoom)
}
