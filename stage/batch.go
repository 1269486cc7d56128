package stage

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"
)

// BatchOption changes what [Batch] does.
type BatchOption func(*batchLimits)

// BatchBytes also ends a batch before its keys and values exceed n bytes; a larger
// record is a batch of its own. The default is no such limit.
func BatchBytes(n int) BatchOption {
	return func(l *batchLimits) { l.bytes, l.bounded = n, true }
}

type batchLimits struct {
	size    int
	wait    time.Duration
	bytes   int
	bounded bool
}

func (l batchLimits) check() error {
	var wrong []error
	if l.size < 1 {
		wrong = append(wrong, fmt.Errorf("stage: batch: size is %d; it must be at least 1", l.size))
	}
	if l.wait <= 0 {
		wrong = append(wrong, fmt.Errorf("stage: batch: wait is %v; it must be positive", l.wait))
	}
	if l.bounded && l.bytes < 1 {
		wrong = append(wrong, fmt.Errorf("stage: batch: BatchBytes is %d; it must be at least 1", l.bytes))
	}
	return errors.Join(wrong...)
}

// Batch collects the payloads of up to size messages and calls the function once for all
// of them. It calls with fewer when wait is over since the first one came, when
// [BatchBytes] says so, or at once when a partition of one of them drains.
//
// The function returns one error for each payload, in their order; nil is a
// success. So one bad record can be retried or dead-lettered alone, later in another
// batch. Any other number of results, or a panic, fails the whole batch.
// Its context ends when those of all its messages have ended.
//
// Messages that wait are parked and hold no worker; the function runs on the
// worker of one of its messages. By key a batch holds at most one record per key,
// by partition one per claim, since the next one starts only after the one before: large
// batches need many keys, or no order. A message whose context ends while it waits leaves the batch;
// one that the function already has waits for it to return.
//
// A size below 1, a wait that isn't positive and a nil function are reported by [Check].
func Batch[T any](size int, wait time.Duration, f func(context.Context, []T) []error, opts ...BatchOption) Stage {
	b := &batching[T]{batchLimits: batchLimits{size: size, wait: wait}, f: f}
	for _, opt := range opts {
		opt(&b.batchLimits)
	}
	b.err = b.batchLimits.check()
	if f == nil {
		b.err = errors.Join(b.err, errors.New("stage: batch: the function is nil"))
	}
	return b
}

// batching is the stage that [Batch] makes.
type batching[T any] struct {
	batchLimits
	f   func(context.Context, []T) []error
	err error

	mu   sync.Mutex
	open *batch[T] // what collects now; nil when nothing waits
}

func (b *batching[T]) check() error { return b.err }

func (b *batching[T]) kind() string { return "batch" }

func (b *batching[T]) types() (in, out reflect.Type) { return payloadType[T](), payloadType[T]() }

func (b *batching[T]) Process(ctx context.Context, msg Message) (Message, error) {
	if b.err != nil {
		return nil, b.err
	}
	payload, ok := Payload[T](msg)
	if !ok {
		return nil, mismatch[T](msg)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r := &batched[T]{payload: payload, bytes: len(msg.Key()) + len(msg.Value()), wake: make(chan struct{}, 1), done: make(chan struct{})}
	b.join(r, Draining(ctx))
	if err := b.await(ctx, r); err != nil {
		return nil, err
	}
	return msg, nil
}

// await returns the record's own result. Of those that wait, the lead minds the
// time and runs the batch; who completes a batch becomes its lead.
func (b *batching[T]) await(ctx context.Context, r *batched[T]) error {
	for {
		left, runs := b.turn(r)
		if runs {
			b.run(ctx, r.batch)
			return r.err
		}
		err := Parking{For: left, Wake: r.wake, Reason: "batch", Lingers: true}.Wait(ctx)
		if err != nil && b.leave(r) {
			return err
		}
		if err != nil {
			<-r.done // the function has the record: its key must wait until it returns
		}
		select {
		case <-r.done:
			return r.err
		default:
		}
	}
}
