package burrow

import (
	"fmt"
	"slices"
	"time"

	"github.com/sirupsen/logrus"
	"go.opentelemetry.io/otel/metric"

	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/pipeline"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// Builder collects what a pipeline is made of. It is an immutable value: every
// method returns a changed copy, so a builder can be forked and shared. Mistakes are
// kept until [Builder.Build] reports all of them. The zero value is an empty builder.
type Builder struct {
	cfg      pipeline.Config
	use      []stage.Middleware
	steps    []step
	problems []error
}

// step is a stage with the middleware around it alone.
type step struct {
	stage stage.Stage
	mws   []stage.Middleware
}

// From sets the source of the messages. A source serves one pipeline, once.
func (b Builder) From(src source.Source) Builder {
	b.cfg.Source = src
	return b.check(src != nil, "From: the source is nil")
}

// WithWorkers sets how many messages are processed at once, over all partitions.
// The default is [pipeline.DefaultWorkers].
func (b Builder) WithWorkers(n int) Builder {
	b.cfg.Workers = n
	return b.positive("WithWorkers", n)
}

// WithOrdering says which messages of a partition wait for each other. The
// default is [ByKey].
func (b Builder) WithOrdering(o Ordering) Builder {
	b.cfg.Ordering = o
	return b.check(o >= ByKey && o <= ByPartition, "WithOrdering: %d is no ordering; use ByKey, Unordered or ByPartition", o)
}

// WithMaxInFlight bounds each partition's window: how many messages may be delivered
// and not yet committed, which is also what a crash repeats at most. The default is
// [pipeline.DefaultMaxInFlight].
func (b Builder) WithMaxInFlight(n int) Builder {
	b.cfg.MaxInFlight = n
	return b.positive("WithMaxInFlight", n)
}

// WithMaxInFlightBytes bounds each partition's window by the size of its messages,
// keys, values and headers together. One larger message still gets in alone. The default is
// [pipeline.DefaultMaxInFlightBytes].
func (b Builder) WithMaxInFlightBytes(n int64) Builder {
	b.cfg.MaxInFlightBytes = n
	return b.check(n > 0, "WithMaxInFlightBytes: %d must be positive", n)
}

// WithCommitInterval sets how long what is resolved waits at most for its commit.
// The default is [pipeline.DefaultCommitInterval].
func (b Builder) WithCommitInterval(d time.Duration) Builder {
	b.cfg.CommitInterval = d
	return b.check(d > 0, "WithCommitInterval: %v must be positive", d)
}

// WithCommitBatch sets how many messages of a partition settle before a commit
// is made without waiting for the interval. The default is [pipeline.DefaultCommitBatch]. Whatever
// it is, a commit is made when it would free a quarter of the window. Commits are 10 ms apart, unless a
// partition waits for room in its window.
func (b Builder) WithCommitBatch(n int) Builder {
	b.cfg.CommitBatch = n
	return b.positive("WithCommitBatch", n)
}

// WithCommitStrategy says what may be committed. The default is [offsets.Ordered]. With
// [offsets.SkipFailures] WithMaxConsecutiveErrors must be set, because its default halts the
// pipeline at the first failure.
func (b Builder) WithCommitStrategy(s offsets.CommitStrategy) Builder {
	b.cfg.Strategy = s
	return b.check(s != nil, "WithCommitStrategy: the strategy is nil")
}

// WithMaxConsecutiveErrors sets how many messages of a partition may fail in a row, by
// order of completion, before the pipeline halts (or the partition freezes). The default is 1.
func (b Builder) WithMaxConsecutiveErrors(n int) Builder {
	b.cfg.MaxConsecutive = n
	return b.positive("WithMaxConsecutiveErrors", n)
}

// WithFailureMode says what happens then. The default is [Halt].
func (b Builder) WithFailureMode(m FailureMode) Builder {
	b.cfg.FailureMode = m
	return b.check(m == Halt || m == Freeze, "WithFailureMode: %d is no failure mode; use Halt or Freeze", m)
}

// WithMaxRetries tries a message up to n times more, with jittered exponential
// waits of 100 ms to 10 s: short for Use(middleware.Retry(…, n+1)).
func (b Builder) WithMaxRetries(n int) Builder {
	if n < 0 {
		return b.check(false, "WithMaxRetries: %d is negative", n)
	}
	waits := retry.Jittered{
		Strategy: retry.Exponential{Base: 100 * time.Millisecond, Max: 10 * time.Second}, Fraction: 0.2,
	}
	return b.Use(middleware.Retry(waits, n+1))
}

// WithDrainTimeout sets how long messages in flight may take to finish when their
// partition is revoked or the pipeline stops. It must be well below the group's
// rebalance timeout. The default is [pipeline.DefaultDrainTimeout], or half of the
// rebalance timeout if that is less.
func (b Builder) WithDrainTimeout(d time.Duration) Builder {
	b.cfg.DrainTimeout = d
	return b.check(d > 0, "WithDrainTimeout: %v must be positive", d)
}

// WithStallTimeout sets how long one message may hold its partition before Health
// says so. It changes nothing else. The default is [pipeline.DefaultStallAfter].
func (b Builder) WithStallTimeout(d time.Duration) Builder {
	b.cfg.StallAfter = d
	return b.check(d > 0, "WithStallTimeout: %v must be positive", d)
}

// WithHeadOfLine cancels the attempt of a message that alone holds a whole partition,
// under a budget, so that Retry and DeadLetter see an error. Zero fields have defaults. By
// default such a message is only reported. It needs [ByKey] or [Unordered].
func (b Builder) WithHeadOfLine(policy HeadOfLine) Builder {
	b.cfg.HeadOfLine = &policy
	return b.check(policy.After >= 0, "WithHeadOfLine: After is %v; it must not be negative", policy.After).
		check(policy.Burst >= 0, "WithHeadOfLine: Burst is %d; it must not be negative", policy.Burst).
		check(policy.Every >= 0, "WithHeadOfLine: Every is %v; it must not be negative", policy.Every)
}

// WithLogger sets where the pipeline logs; nothing per message above Debug, and never a
// payload. The default discards.
func (b Builder) WithLogger(log logrus.FieldLogger) Builder {
	b.cfg.Logger = log
	return b.check(log != nil, "WithLogger: the logger is nil; leave the call out to discard the log")
}

// WithMeterProvider sets where the engine's own metrics go. The default is the
// global provider of OpenTelemetry.
func (b Builder) WithMeterProvider(p metric.MeterProvider) Builder {
	b.cfg.MeterProvider = p
	return b.check(p != nil, "WithMeterProvider: the provider is nil")
}

// Use adds middleware around the pass over all stages. The first one added is the
// outermost; before or after Stage makes no difference.
func (b Builder) Use(mws ...Middleware) Builder {
	b.use = slices.Concat(b.use, mws)
	return b.check(!hasNil(mws), "Use: a middleware is nil")
}

// Stage adds a stage, with middleware around it alone; the first is the outermost.
func (b Builder) Stage(s Stage, mws ...Middleware) Builder {
	b.steps = append(slices.Clip(b.steps), step{stage: s, mws: slices.Clone(mws)})
	return b.check(s != nil, "Stage: stage %d is nil", len(b.steps)).
		check(!hasNil(mws), "Stage: a middleware of stage %d is nil", len(b.steps))
}

func hasNil(mws []Middleware) bool {
	return slices.ContainsFunc(mws, func(mw Middleware) bool { return mw == nil })
}

func (b Builder) positive(method string, n int) Builder {
	return b.check(n > 0, "%s: %d must be positive", method, n)
}

// check notes a mistake unless ok.
func (b Builder) check(ok bool, format string, args ...any) Builder {
	if !ok {
		b.problems = append(slices.Clip(b.problems), fmt.Errorf(format, args...))
	}
	return b
}
