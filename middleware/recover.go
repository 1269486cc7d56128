package middleware

import (
	"context"

	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

// RecoverOption changes what [Recover] does.
type RecoverOption func(*recovering)

// PanicsArePermanent makes a panic a failure that is not tried again. The default
// is that it may be.
func PanicsArePermanent() RecoverOption { return func(r *recovering) { r.permanent = true } }

// Recover makes a panic of the stages inside it a [*stage.PanicError] with the
// stack, so that the middleware around it can try again, count and dead-letter it. The pipeline
// catches what nobody recovers, but then the message has failed. A handler that ends
// its goroutine (runtime.Goexit) is left to the pipeline.
func Recover(opts ...RecoverOption) stage.Middleware {
	r := &recovering{}
	for _, opt := range opts {
		opt(r)
	}
	return func(next stage.Stage) stage.Stage {
		return wrap(NameRecover, next, func(ctx context.Context, msg stage.Message) (stage.Message, error) {
			return r.process(ctx, next, msg)
		})
	}
}

type recovering struct{ permanent bool }

func (r *recovering) process(ctx context.Context, next stage.Stage, msg stage.Message) (out stage.Message, err error) {
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		out, err = nil, stage.Recovered(value)
		if r.permanent {
			err = retry.Permanent(err)
		}
	}()
	return next.Process(ctx, msg)
}
