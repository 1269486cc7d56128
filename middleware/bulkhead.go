package middleware

import (
	"context"
	"sync"

	"github.com/vlab-research/burrow/stage"
)

// Bulkhead lets n messages at a time into the stages inside it, so that a scarce
// resource of one stage doesn't set the number of workers for all. The others wait
// parked, without a worker, first come first served.
//
// A message that waits for a retry inside it keeps its place: put it inside of [Retry].
func Bulkhead(n int) stage.Middleware {
	b := &bulkhead{free: n}
	err := require(n > 0, "n is %d; let at least 1 message in", n)
	return func(next stage.Stage) stage.Stage {
		return wrap(NameBulkhead, next, func(ctx context.Context, msg stage.Message) (stage.Message, error) {
			if err := b.enter(ctx); err != nil {
				return nil, err
			}
			defer b.exit()
			return next.Process(ctx, msg)
		}, err)
	}
}

type bulkhead struct {
	mu      sync.Mutex
	free    int
	waiting queue
}

func (b *bulkhead) enter(ctx context.Context) error {
	b.mu.Lock()
	if b.free > 0 {
		b.free--
		b.mu.Unlock()
		return nil
	}
	w := newWaiter()
	b.waiting.add(w)
	b.mu.Unlock()
	for {
		err := stage.Parking{Wake: w.wake, Reason: "bulkhead"}.Wait(ctx)
		b.mu.Lock()
		granted := w.granted
		if err != nil {
			b.waiting.remove(w)
		}
		b.mu.Unlock()
		if err != nil && granted { // it was let in while it was taken away
			b.exit()
		}
		if err != nil || granted {
			return err
		}
	}
}

// exit hands the place to who waits longest.
func (b *bulkhead) exit() {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.waiting.first()
	if w == nil {
		b.free++
		return
	}
	b.waiting.remove(w)
	w.granted = true
	w.signal()
}
