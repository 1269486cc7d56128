package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/vlab-research/burrow/stage"
)

// chain is the pass of a message over all steps. It lets their panics through.
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
	running := c.running(ctx)
	for i, s := range c.stages {
		if running != nil {
			running.Store(int32(i))
		}
		out, err := s.Process(ctx, msg)
		if err != nil || out == nil && i < len(c.stages)-1 {
			return nil, c.ended(i, err)
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

// running returns what is told the step that runs, nil where there is only one.
func (c *chain) running(ctx context.Context) *atomic.Int32 {
	if len(c.stages) < 2 {
		return nil
	}
	step, _ := ctx.Value(stepKey{}).(*atomic.Int32)
	return step
}

// panicked makes an error of what recover returned while the chain was passed.
func (c *chain) panicked(ctx context.Context, v any) error {
	step := 0
	if running := c.running(ctx); running != nil {
		step = int(running.Load())
	}
	return &stage.Error{Stage: c.name(step), Err: stage.Recovered(v)}
}

func (c *chain) name(step int) string {
	if step < len(c.names) {
		return c.names[step]
	}
	return ""
}

// naming is a chain with middleware around it: a step's panic goes on, because middleware may want to see it, but with
// the step's name and this stack.
type naming struct{ *chain }

// Process implements [stage.Stage].
func (n *naming) Process(ctx context.Context, msg stage.Message) (stage.Message, error) {
	defer func() {
		if v := recover(); v != nil {
			panic(n.panicked(ctx, v))
		}
	}()
	return n.chain.Process(ctx, msg)
}

// stepKey is the key under which a context gives the *atomic.Int32 that holds the index of the step that runs.
type stepKey struct{}

// stepContext is the context of a message without a task.
type stepContext struct {
	context.Context //nolint:containedctx // it is one
	step            atomic.Int32
}

func (c *stepContext) Value(key any) any {
	if _, ok := key.(stepKey); ok {
		return &c.step
	}
	return c.Context.Value(key)
}

// errNoMessage is permanent: the stage's code is wrong, not the moment.
var errNoMessage error = &noMessageError{}

type noMessageError struct{}

func (*noMessageError) Error() string {
	return fmt.Sprintf("burrow: the stage returned neither a message nor an error; to drop a message return %s", "stage.Skip")
}

func (*noMessageError) Retryable() bool { return false }
