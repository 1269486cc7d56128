package middleware_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	"golang.org/x/time/rate"

	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

func TestWrongArgumentsAreReportedAndNeverRun(t *testing.T) {
	t.Parallel()
	dlq := &topics{}
	for _, test := range []struct {
		mw   stage.Middleware
		name string
		want string
	}{
		{middleware.Retry(nil, 5), middleware.NameRetry, "strategy is nil"},
		{middleware.Retry(steady, 0), middleware.NameRetry, "attempts is 0"},
		{middleware.Retry(retry.Linear{Step: -1}, 1), middleware.NameRetry, "Linear.Step"},
		{middleware.Retry(steady, 1, middleware.MaxElapsed(-1)), middleware.NameRetry, "MaxElapsed"},
		{middleware.Timeout(0), middleware.NameTimeout, "positive"},
		{middleware.DeadLetter(nil, "dlq"), middleware.NameDeadLetter, "publisher is nil"},
		{middleware.DeadLetter(dlq, ""), middleware.NameDeadLetter, "topic is empty"},
		{middleware.DeadLetterBy(dlq, nil), middleware.NameDeadLetter, "function"},
		{middleware.DeadLetter(dlq, "dlq", middleware.DeadLettersInARow(-1)), middleware.NameDeadLetter, "DeadLettersInARow"},
		{middleware.DeadLetter(dlq, "dlq", middleware.PublishRetry(nil, 0)), middleware.NameDeadLetter, "attempts is 0"},
		{middleware.Logging(nil), middleware.NameLogging, "logger is nil"},
		{middleware.Logging(logrus.New(), middleware.Sample(1, -1, 0)), middleware.NameLogging, "Sample"},
		{middleware.Tracing(middleware.TracerProvider(nil)), middleware.NameTracing, "nil"},
		{middleware.Tracing(middleware.Propagator(nil)), middleware.NameTracing, "nil"},
		{middleware.Metrics(middleware.MeterProvider(nil)), middleware.NameMetrics, "nil"},
		{middleware.RateLimit(0, 1), middleware.NameRateLimit, "limit is 0"},
		{middleware.RateLimit(rate.Limit(math.NaN()), 1), middleware.NameRateLimit, "limit is NaN"},
		{middleware.RateLimit(1, 0), middleware.NameRateLimit, "burst is 0"},
		{middleware.RateLimitBy(1, 1, 0, byKey), middleware.NameRateLimit, "keys is 0"},
		{middleware.RateLimitBy(1, 1, 1, nil), middleware.NameRateLimit, "function"},
		{middleware.Bulkhead(0), middleware.NameBulkhead, "n is 0"},
		{middleware.Breaker(""), middleware.NameBreaker, "name is empty"},
		{middleware.Breaker("db", middleware.TripAfter(0)), middleware.NameBreaker, "TripAfter"},
		{middleware.Breaker("db", middleware.ProbeInterval(0)), middleware.NameBreaker, "ProbeInterval"},
		{middleware.Breaker("db", middleware.Probes(0)), middleware.NameBreaker, "Probes"},
		{middleware.Breaker("db", middleware.TripIf(nil)), middleware.NameBreaker, "TripIf"},
		{middleware.Breaker("db", middleware.BreakerMeterProvider(nil)), middleware.NameBreaker, "meter provider"},
		{middleware.Idempotency(nil, middleware.MessageID), middleware.NameIdempotency, "store is nil"},
		{middleware.Idempotency(middleware.NewLRUStore(1), nil), middleware.NameIdempotency, "function"},
	} {
		ran := false
		inner := stage.Func(func(_ context.Context, msg stage.Message) (stage.Message, error) { ran = true; return msg, nil })
		built := test.mw(inner).(described)
		err := built.MiddlewareError()
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "middleware: "+test.name) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.want)
		}
		if _, got := built.Process(t.Context(), order(1)); got != err || ran {
			t.Errorf("%s: Process returned %v, ran the stage: %v", test.name, got, ran)
		}
	}
}

func TestEachMiddlewareSaysItsNameAndWhatItWraps(t *testing.T) {
	t.Parallel()
	inner := stage.Named("save", always(nil))
	for name, mw := range map[string]stage.Middleware{
		middleware.NameRetry:      middleware.Retry(steady, 5),
		middleware.NameTimeout:    middleware.Timeout(1),
		middleware.NameRecover:    middleware.Recover(),
		middleware.NameDeadLetter: middleware.DeadLetter(&topics{}, "dlq"),
		middleware.NameLogging:    middleware.Logging(logrus.New()),
		middleware.NameTracing:    middleware.Tracing(),
		middleware.NameMetrics:    middleware.Metrics(),

		middleware.NameRateLimit:   middleware.RateLimit(1, 1),
		middleware.NameBulkhead:    middleware.Bulkhead(1),
		middleware.NameBreaker:     middleware.Breaker("db"),
		middleware.NameIdempotency: middleware.Idempotency(middleware.NewLRUStore(1), middleware.MessageID),
	} {
		built := mw(inner).(described)
		if built.MiddlewareName() != name || built.MiddlewareError() != nil || built.Unwrap() != inner {
			t.Errorf("%s: name %q, error %v", name, built.MiddlewareName(), built.MiddlewareError())
		}
		if err := mw(nil).(described).MiddlewareError(); err == nil {
			t.Errorf("%s wraps no stage and doesn't say so", name)
		}
	}
}
