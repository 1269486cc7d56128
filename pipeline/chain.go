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
}

func newChain(steps []Step) *chain {
	c := &chain{}
	for _, s := range steps {
		c.names = append(c.names, s.Name)
		c.stages = append(c.stages, s.Stage)
	}
	return c
}

// Process runs the steps one after the other until one ends the message's way.
func (c *chain) Process(ctx context.Context, msg stage.Message) (stage.Message, error) {
	note := c.tracer(ctx)
	last := len(c.stages) - 1
	at := 0
	defer func() {
		if v := recover(); v != nil { // goes on, with the stage's name and this stack
			panic(&stage.Error{Stage: c.names[at], Err: stage.Recovered(v)})
		}
	}()
	for i, s := range c.stages {
		at = i
		if note != nil {
			note.step.Store(int32(i))
		}
		out, err := s.Process(ctx, msg)
		if err != nil {
			if errors.Is(err, stage.Skip) {
				return nil, err
			}
			return nil, &stage.Error{Stage: c.names[i], Err: err}
		}
		if out == nil && i < last {
			return nil, &stage.Error{Stage: c.names[i], Err: errNoMessage}
		}
		msg = out
	}
	return msg, nil
}

// tracer returns the task that is told which step runs, nil where there is only one or no engine.
func (c *chain) tracer(ctx context.Context) *task {
	if len(c.stages) < 2 {
		return nil
	}
	t, _ := ctx.Value(stage.HostKey{}).(*task)
	return t
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
