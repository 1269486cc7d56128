package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/vlab-research/burrow/stage"
)

// chain is the pass of a message over all steps.
type chain struct {
	names  []string
	stages []stage.Stage
	inner  bool // there is middleware around it
}

func newChain(steps []Step, inner bool) *chain {
	c := &chain{inner: inner}
	for _, s := range steps {
		c.names = append(c.names, s.Name)
		c.stages = append(c.stages, s.Stage)
	}
	return c
}

// Process runs the steps one after the other until one ends the message's way. A step's panic is an error, but goes on
// if there is middleware around all steps, which may want to see it.
func (c *chain) Process(ctx context.Context, msg stage.Message) (out stage.Message, err error) {
	note := c.tracer(ctx)
	at := 0
	defer func() {
		if v := recover(); v != nil {
			failure := &stage.Error{Stage: c.names[at], Err: stage.Recovered(v)}
			if c.inner {
				panic(failure) // with the stage's name and this stack
			}
			out, err = nil, failure
		}
	}()
	for ; at < len(c.stages); at++ {
		if note != nil {
			note.step.Store(int32(at))
		}
		out, err = c.stages[at].Process(ctx, msg)
		if err != nil || out == nil && at < len(c.stages)-1 {
			return nil, c.ended(at, err)
		}
		msg = out
	}
	return msg, nil
}

// ended returns the error of a message whose way a step ended, with the step's name unless it was to be skipped.
func (c *chain) ended(step int, err error) error {
	switch {
	case err == nil:
		err = errNoMessage
	case errors.Is(err, stage.Skip):
		return err
	}
	return &stage.Error{Stage: c.names[step], Err: err}
}

// tracer returns the task that is told which step runs, nil where there is only one or no engine.
func (c *chain) tracer(ctx context.Context) *task {
	if len(c.stages) < 2 {
		return nil
	}
	t, _ := ctx.Value(stage.HostKey{}).(*task)
	return t
}

// caught makes an error of a panic.
type caught struct{ next stage.Stage }

// Process implements [stage.Stage].
func (s *caught) Process(ctx context.Context, msg stage.Message) (out stage.Message, err error) {
	defer func() {
		if v := recover(); v != nil {
			out, err = nil, stage.Recovered(v)
		}
	}()
	return s.next.Process(ctx, msg)
}

func (c *chain) name(step int) string {
	if step < len(c.names) {
		return c.names[step]
	}
	return ""
}

// errNoMessage is permanent: the stage's code is wrong, not the moment.
var errNoMessage error = &noMessageError{}

type noMessageError struct{}

func (*noMessageError) Error() string {
	return fmt.Sprintf("burrow: the stage returned neither a message nor an error; to drop a message return %s", "stage.Skip")
}

func (*noMessageError) Retryable() bool { return false }
