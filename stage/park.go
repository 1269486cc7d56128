package stage

import (
	"context"
	"errors"
	"time"
)

// ErrReleased is returned by [Park] when the pipeline drains while the message is
// parked: it shuts down, or the message's partition was revoked. The message is
// then not resolved and will be delivered again, here or elsewhere. Stages and
// middleware return it at once.
var ErrReleased = errors.New("stage: parked message released, its partition is draining")

// Park waits for d without holding a worker: inside a pipeline the worker goes to
// another message, while this one keeps its place in the window and, by key or by
// partition, its order. It returns nil after d, ctx.Err() if ctx ended first, and
// [ErrReleased] if the pipeline drained first.
//
// Outside a pipeline it is a plain wait. Park must be called by the goroutine
// that runs the stage.
func Park(ctx context.Context, d time.Duration) error {
	return Parking{For: d}.Wait(ctx)
}

// Parking is a wait without a worker, with what the pipeline shows of it.
type Parking struct {
	// For is how long to wait. With a Wake channel, 0 is without limit.
	For time.Duration
	// Wake ends the wait early, with nil, when it is closed or received from. Nil never does.
	Wake <-chan struct{}
	// Reason is shown in statistics and metrics: "retry", "ratelimit", "breaker", "batch".
	Reason string
	// Attempt is how often the work was tried so far, if this is a wait for another
	// try; each such wait counts as one retry.
	Attempt int
	// Cause is the error of the last try.
	Cause error
	// Lingers keeps the wait on while the pipeline drains; it then must end by Wake.
	Lingers bool
}

// Wait parks the message. See [Park].
func (p Parking) Wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if host := hostOf(ctx); host != nil {
		return host.Park(ctx, p)
	}
	return p.Block(ctx, nil)
}

// Block waits on the calling goroutine until the time is over, Wake or ctx ends it,
// or drain is closed (unless the parking lingers). It is for implementations of [Host].
func (p Parking) Block(ctx context.Context, drain <-chan struct{}) error {
	if p.For <= 0 && p.Wake == nil {
		return ctx.Err()
	}
	if p.Lingers {
		drain = nil
	}
	var timeout <-chan time.Time
	if p.For > 0 {
		timer := time.NewTimer(p.For)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-timeout:
		return nil
	case <-p.Wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-drain:
		return ErrReleased
	}
}

// Host is what runs a message and can run others while it waits: the pipeline.
type Host interface {
	// Park gives the message's worker away, waits and takes a worker again.
	Park(ctx context.Context, p Parking) error
	// Draining returns a channel that is closed when the message's partition drains.
	Draining() <-chan struct{}
}

// Draining returns a channel that is closed when the pipeline shuts down or the
// message's partition is revoked: what collects messages must let them go then.
// It is nil, which never ends, outside a pipeline.
func Draining(ctx context.Context) <-chan struct{} {
	if host := hostOf(ctx); host != nil {
		return host.Draining()
	}
	return nil
}

// HostKey is the key under which a context gives its [Host].
type HostKey struct{}

func hostOf(ctx context.Context) Host {
	host, _ := ctx.Value(HostKey{}).(Host)
	return host
}
