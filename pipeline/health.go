package pipeline

import (
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/vlab-research/burrow/offsets"
)

// Errors of [Pipeline.Health], matched with errors.Is.
var (
	// ErrNotRunning says that Run was not called yet, or has returned.
	ErrNotRunning = errors.New("burrow: the pipeline isn't running")
	// ErrNotAssigned says that the first rebalance isn't over: not ready yet.
	ErrNotAssigned = errors.New("burrow: no partitions were assigned yet")
	// ErrStalled says that one message has held a partition's commit for too long.
	ErrStalled = errors.New("burrow: a message holds its partition")
	// ErrFrozen says that a partition failed too often and waits for ResumeClaim.
	ErrFrozen = errors.New("burrow: a partition is frozen")
	// ErrCommitRefused says that the broker refused a partition's last commit.
	ErrCommitRefused = errors.New("burrow: the last commit was refused")
)

// health returns what is wrong, all of it.
func (e *engine) health(now time.Time) error {
	var wrong []error
	if e.assigned.Load() < 0 {
		wrong = append(wrong, ErrNotAssigned)
	}
	if err := e.cfg.Source.Health(); err != nil {
		wrong = append(wrong, err)
	}
	for _, c := range e.claims() {
		wrong = append(wrong, c.health(now))
	}
	return errors.Join(wrong...)
}

func (c *claim) health(now time.Time) error {
	usage := c.tracker.Usage()
	c.mu.Lock()
	frozen, since, commitErr := c.frozen, c.frozenAt, c.commitErr
	alone := c.isHeadOfLine()
	c.mu.Unlock()
	var wrong []error
	if frozen != nil {
		wrong = append(wrong, fmt.Errorf("%w: %s/%d since %s: %s",
			ErrFrozen, c.name.topic, c.name.partition, since.Format(time.RFC3339), frozen.Redacted()))
	}
	if commitErr != nil {
		wrong = append(wrong, fmt.Errorf("%w: %s/%d: %w", ErrCommitRefused, c.name.topic, c.name.partition, commitErr))
	}
	if usage.Held && now.Sub(usage.Oldest.Since) >= c.e.cfg.StallAfter && frozen == nil && !c.e.paused.Load() {
		kind := ErrStalled
		if alone {
			kind = fmt.Errorf("%w: %w", ErrStalled, ErrHeadOfLine)
		}
		wrong = append(wrong, fmt.Errorf("%w: %s", kind, c.explain(now)))
	}
	return errors.Join(wrong...)
}

// Explanation says what holds a partition's committable offset.
type Explanation struct {
	Topic     string
	Partition int32
	// Owned tells whether the partition is assigned to this pipeline now.
	Owned bool
	// Held tells whether a message holds the commit; the fields below describe it.
	Held   bool
	Offset int64
	// State is "queued", "in flight", "parked (why)" or "failed".
	State string
	// Age is since when the message is in the window, or failed.
	Age time.Duration
	// KeyHash tells messages of one key from others without showing the key; 0 without a key. It
	// is salted, so it means something only among the lines of one Run.
	KeyHash uint64
	// Stage is where the message is or failed; empty if it has not started.
	Stage string
	// Attempts is how often it was tried before.
	Attempts int
	// NextTry is when a parked message goes on; zero if that is not known.
	NextTry time.Time
	// LastError is the error of the last try, nil if there was none.
	LastError error
	// Behind is how many resolved messages behind it can't be committed because of it.
	Behind int
	// HeadOfLine tells that the window takes no more because of this message alone. See [ErrHeadOfLine].
	HeadOfLine bool
}

// String returns the explanation as one line without the error's text.
func (x Explanation) String() string {
	at := fmt.Sprintf("%s/%d", x.Topic, x.Partition)
	switch {
	case !x.Owned:
		return at + " isn't assigned to this pipeline"
	case !x.Held:
		return at + ": nothing holds the commit"
	}
	line := fmt.Sprintf("%s@%d is %s for %s", at, x.Offset, x.State, x.Age.Round(time.Millisecond))
	if x.Stage != "" {
		line += fmt.Sprintf(" in stage %q", x.Stage)
	}
	if x.Attempts > 0 {
		line += fmt.Sprintf(" after %s", plural(x.Attempts, "attempt"))
	}
	if x.KeyHash != 0 {
		line += fmt.Sprintf(", key hash %016x", x.KeyHash)
	}
	if x.Behind > 0 {
		line += fmt.Sprintf("; %s resolved behind it", plural(x.Behind, "message"))
	}
	if x.HeadOfLine {
		line += "; it alone keeps the window full"
	}
	return line
}

func (c *claim) explain(now time.Time) Explanation {
	usage := c.tracker.Usage()
	x := Explanation{Topic: c.name.topic, Partition: c.name.partition, Owned: true, Held: usage.Held}
	if !usage.Held {
		return x
	}
	x.Offset, x.Age, x.State = usage.Oldest.Offset, now.Sub(usage.Oldest.Since), "in flight"
	x.Behind = usage.Behind
	if usage.Oldest.State == offsets.Failed {
		x.State, x.Attempts = "failed", usage.Oldest.Attempts
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	x.HeadOfLine = c.isHeadOfLine()
	if t := c.oldestTask(); t != nil && t.msg.Position().Offset == x.Offset {
		x.describe(t)
	}
	return x
}

func (x *Explanation) describe(t *task) {
	if key := t.msg.Key(); key != nil {
		x.KeyHash = maphash.Bytes(t.claim.e.seed, key)
	}
	x.Stage = t.claim.e.chain.name(int(t.step.Load()))
	if t.parking != nil {
		x.Attempts, x.LastError = t.parking.attempts, t.parking.cause
	}
	switch t.state {
	case taskQueued:
		x.State, x.Stage = "queued", ""
	case taskParked:
		x.State, x.NextTry = "parked", t.parking.until
		if t.parking.reason != "" {
			x.State += " (" + t.parking.reason + ")"
		}
	case taskFailed:
		x.LastError = t.failure
		if t.failure.Stage != "" {
			x.Stage = t.failure.Stage
		}
	case taskRunning:
	}
}
