// Package burrow processes the messages of Kafka partitions concurrently, lets
// them finish in any order, and commits only what is safe.
//
// A pipeline is a source, stages that do the work and middleware around them:
//
//	src, err := kafka.NewSource([]string{"localhost:9092"}, "billing", []string{"orders"})
//	...
//	p, err := burrow.New().
//		From(src).
//		WithWorkers(100).
//		Use(middleware.Retry(retry.Exponential{Base: 100 * time.Millisecond}, 5)).
//		Stage(stage.Decode(decodeOrder)).
//		Stage(stage.Handle(save)).
//		Build()
//	...
//	err = p.Run(ctx)
//
// Delivery is at-least-once: a committed offset never passes a message that is not
// resolved. What a crash repeats is bounded by the window ([Builder.WithMaxInFlight]) and
// shown in [Stats].
package burrow

import (
	"github.com/vlab-research/burrow/pipeline"
	"github.com/vlab-research/burrow/stage"
)

// The nouns of the library that users type most, gathered here.
type (
	// Message is one record of a topic.
	Message = stage.Message
	// Stage is one step of the work on a message.
	Stage = stage.Stage
	// Middleware wraps a stage with behaviour of its own.
	Middleware = stage.Middleware
	// Pipeline consumes a source through stages.
	Pipeline = pipeline.Pipeline
	// Error is what Run returns; errors.Is compares it by code.
	Error = pipeline.Error
	// ErrorCode says what kind of trouble an Error is.
	ErrorCode = pipeline.ErrorCode
	// Stats are a pipeline's numbers at one moment.
	Stats = pipeline.Stats
	// PartitionStats are the numbers of one partition.
	PartitionStats = pipeline.PartitionStats
	// Explanation says what holds a partition's committable offset.
	Explanation = pipeline.Explanation
	// Ordering says which messages of a partition wait for each other.
	Ordering = pipeline.Ordering
	// HeadOfLine cancels attempts that alone hold a whole partition.
	HeadOfLine = pipeline.HeadOfLine
	// FailureMode says what happens when too many messages failed in a row.
	FailureMode = pipeline.FailureMode
)

// The orderings.
const (
	ByKey       = pipeline.ByKey
	Unordered   = pipeline.Unordered
	ByPartition = pipeline.ByPartition
)

// The failure modes.
const (
	Halt   = pipeline.Halt
	Freeze = pipeline.Freeze
)

// The error codes.
const (
	ProcessingFailed  = pipeline.ProcessingFailed
	ThresholdExceeded = pipeline.ThresholdExceeded
	CommitFailed      = pipeline.CommitFailed
	PartitionRevoked  = pipeline.PartitionRevoked
	DrainTimeout      = pipeline.DrainTimeout
	WindowBlocked     = pipeline.WindowBlocked
	SourceFailed      = pipeline.SourceFailed
	Misused           = pipeline.Misused
)

// New returns an empty builder.
func New() Builder { return Builder{} }
