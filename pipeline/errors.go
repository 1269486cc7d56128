package pipeline

import (
	"errors"
	"fmt"
	"strings"

	"github.com/vlab-research/burrow/stage"
)

// ErrorCode says what kind of trouble an [Error] is. A code is itself an error,
// so that errors.Is(err, pipeline.DrainTimeout) works.
type ErrorCode int

const (
	// ProcessingFailed is one message that is out of retries.
	ProcessingFailed ErrorCode = iota + 1
	// ThresholdExceeded ends Run when MaxConsecutiveErrors messages of a claim failed in a row.
	ThresholdExceeded
	// CommitFailed ends Run when the broker refused a commit for good, or the last one could not be made.
	CommitFailed
	// PartitionRevoked is the cause with which a message's context ends when its partition went to another member.
	PartitionRevoked
	// DrainTimeout ends Run when messages were still in flight at the drain's
	// deadline, and is the cause with which their contexts end.
	DrainTimeout
	// WindowBlocked ends Run when nothing more fits into a claim's window and the
	// failed message that holds it will never be passed.
	WindowBlocked
	// SourceFailed ends Run when the source can't start or can't go on.
	SourceFailed
	// Misused is a second Run, or a method called at the wrong time.
	Misused
)

var codeNames = map[ErrorCode]string{
	ProcessingFailed:  "processing failed",
	ThresholdExceeded: "too many messages failed in a row",
	CommitFailed:      "commit failed",
	PartitionRevoked:  "partition revoked",
	DrainTimeout:      "drain timed out",
	WindowBlocked:     "window full behind a failed message",
	SourceFailed:      "source failed",
	Misused:           "misused",
}

// String returns the code in words.
func (c ErrorCode) String() string {
	if name, ok := codeNames[c]; ok {
		return name
	}
	return fmt.Sprintf("error code %d", int(c))
}

// Error returns the code in words, behind the package's name.
func (c ErrorCode) Error() string { return "burrow: " + c.String() }

// Error is what Run returns, what Stats and Explain show, and the cause with
// which a message's context ends.
type Error struct {
	Code ErrorCode
	// Topic, Partition and Offset say where; Topic is empty if it is about no message.
	Topic     string
	Partition int32
	Offset    int64
	// Stage is the name of the stage that failed; empty if none did.
	Stage string
	// Cause is the error behind this one; it may be nil.
	Cause error
}

// Error returns the code, the position, the stage and the cause. The cause's
// text is the user's: see [stage.Redacted] for what goes into a log.
func (e *Error) Error() string { return e.text(func(err error) string { return err.Error() }) }

// Redacted returns the error's text for a log.
func (e *Error) Redacted() string { return e.text(redacted) }

func (e *Error) text(cause func(error) string) string {
	var b strings.Builder
	b.WriteString(e.Code.Error())
	if e.Topic != "" {
		fmt.Fprintf(&b, ": %s/%d", e.Topic, e.Partition)
		if e.Offset >= 0 {
			fmt.Fprintf(&b, "@%d", e.Offset)
		}
	}
	if e.Stage != "" && !namesStage(e.Cause) {
		fmt.Fprintf(&b, ": stage %q", e.Stage)
	}
	if e.Cause != nil {
		b.WriteString(": " + cause(e.Cause))
	}
	return b.String()
}

// namesStage tells whether the error's own text says in which stage it happened.
func namesStage(err error) bool {
	_, ok := errors.AsType[*stage.Error](err)
	return ok
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is this error's code, or an Error of the same code
// that names nothing else.
func (e *Error) Is(target error) bool {
	switch t := target.(type) {
	case ErrorCode:
		return t == e.Code
	case *Error:
		return *t == Error{Code: e.Code}
	}
	return false
}

func redacted(err error) string {
	if e, ok := err.(*Error); ok { //nolint:errorlint // its own text, not one further down
		return e.Redacted()
	}
	return stage.Redacted(err)
}

// failureOf makes the Error of a message that failed.
func failureOf(pos stage.Position, err error) *Error {
	e := &Error{Code: ProcessingFailed, Topic: pos.Topic, Partition: pos.Partition, Offset: pos.Offset, Cause: err}
	if at, ok := errors.AsType[*stage.Error](err); ok {
		e.Stage = at.Stage
		if at == err { //nolint:errorlint // only the outermost is folded into the text
			e.Cause = at.Err
		}
	}
	return e
}
