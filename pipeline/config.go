package pipeline

import (
	"time"

	"github.com/sirupsen/logrus"
	"go.opentelemetry.io/otel/metric"

	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// Ordering says which messages of a partition wait for each other.
type Ordering int

const (
	// ByKey runs the messages of one key one at a time, in the order of the log. A
	// message with a nil key waits for none. It is the default.
	ByKey Ordering = iota
	// Unordered runs every message as soon as a worker is free.
	Unordered
	// ByPartition runs the messages of a partition one at a time.
	ByPartition
)

// String returns the ordering's name.
func (o Ordering) String() string {
	switch o {
	case ByKey:
		return "by key"
	case Unordered:
		return "unordered"
	case ByPartition:
		return "by partition"
	}
	return "unknown ordering"
}

// FailureMode says what happens when too many messages of a claim failed in a row.
type FailureMode int

const (
	// Halt drains the whole pipeline and ends Run with an error. It is the default.
	Halt FailureMode = iota
	// Freeze stops only the claim that failed: it stays owned, nothing new of it
	// starts, and Health says so until ResumeClaim.
	Freeze
)

// Defaults of a [Config].
const (
	DefaultWorkers          = 16
	DefaultMaxInFlight      = 10_000
	DefaultMaxInFlightBytes = 64 << 20
	DefaultCommitInterval   = 5 * time.Second
	DefaultCommitBatch      = 1000
	DefaultCommitTimeout    = 5 * time.Second
	DefaultConsecutive      = 1
	DefaultDrainTimeout     = 30 * time.Second
	DefaultStallAfter       = time.Minute
)

// Step is one stage of a pipeline, with its own middleware already around it, and its name.
type Step struct {
	Name  string
	Stage stage.Stage
}

// Config is all that a pipeline is made of. The Builder of package burrow fills and
// checks it; [New] takes it as it is and puts the defaults in for zero fields.
type Config struct {
	Source source.Source
	// Steps run one after the other; Middleware goes around the pass over all of them. It may be nil.
	Steps      []Step
	Middleware stage.Middleware

	Workers          int
	Ordering         Ordering
	MaxInFlight      int
	MaxInFlightBytes int64
	CommitInterval   time.Duration
	CommitBatch      int
	CommitTimeout    time.Duration
	Strategy         offsets.CommitStrategy
	MaxConsecutive   int
	FailureMode      FailureMode
	// HeadOfLine cancels attempts that hold a whole window; nil only reports them.
	HeadOfLine   *HeadOfLine
	DrainTimeout time.Duration
	// StallAfter is how long a message may hold its claim before Health says so.
	StallAfter time.Duration
	Logger     logrus.FieldLogger
	// MeterProvider gives the engine's instruments; nil is the global one.
	MeterProvider metric.MeterProvider
}

func (c Config) withDefaults() Config {
	set := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	wait := func(field *time.Duration, value time.Duration) {
		if *field == 0 {
			*field = value
		}
	}
	set(&c.Workers, DefaultWorkers)
	set(&c.MaxInFlight, DefaultMaxInFlight)
	set(&c.CommitBatch, DefaultCommitBatch)
	set(&c.MaxConsecutive, DefaultConsecutive)
	wait(&c.CommitInterval, DefaultCommitInterval)
	wait(&c.CommitTimeout, DefaultCommitTimeout)
	wait(&c.DrainTimeout, DefaultDrainTimeout)
	wait(&c.StallAfter, DefaultStallAfter)
	if c.MaxInFlightBytes == 0 {
		c.MaxInFlightBytes = DefaultMaxInFlightBytes
	}
	if c.HeadOfLine != nil {
		c.HeadOfLine = new(c.HeadOfLine.withDefaults())
	}
	if c.Strategy == nil {
		c.Strategy = offsets.Ordered{}
	}
	if c.Logger == nil {
		c.Logger = silent()
	}
	return c
}
