package stage

import (
	"context"
	"errors"
)

// Stage is one step of the work on a message.
//
// Process returns the message that the next stage gets, usually the one it was
// given. A nil message with a nil error is a mistake unless the stage is the
// last one: dropping a message is said with [Skip]. A nil error promises that
// the work is done and need not be repeated after a crash.
//
// Process runs on many goroutines at once. It must return when ctx ends; until it
// does, the message's key (or partition) waits.
type Stage interface {
	Process(ctx context.Context, msg Message) (Message, error)
}

// Func is a function used as a [Stage].
type Func func(ctx context.Context, msg Message) (Message, error)

// Process calls f.
func (f Func) Process(ctx context.Context, msg Message) (Message, error) { return f(ctx, msg) }

func (f Func) check() error {
	if f == nil {
		return errNoFunc
	}
	return nil
}

var errNoFunc = errors.New("stage: the function is nil")

// Middleware wraps a stage with behaviour of its own. It is called once, when
// the pipeline is built.
type Middleware func(next Stage) Stage

// Skip is returned by a stage to say that a message needs no more work: it is
// resolved and later stages don't run. Like [io/fs.SkipDir] it is a control
// value, not a failure. Wrapping it keeps its meaning.
var Skip = errors.New("stage: skip this message") //nolint:revive,staticcheck,errname // a control value like fs.SkipDir

// Named gives a stage a name for errors, spans and metrics.
func Named(name string, s Stage) Stage { return &named{Stage: s, name: name} }

// Name returns the name given by [Named], or "".
func Name(s Stage) string {
	if n, ok := s.(*named); ok {
		return n.name
	}
	return ""
}

type named struct {
	Stage
	name string
}

// Unwrap returns the stage that was named.
func (n *named) Unwrap() Stage { return n.Stage }
