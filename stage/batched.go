package stage

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// batch is some records that become one call. Its fields are guarded by the
// stage's lock.
type batch[T any] struct {
	records  []*batched[T]
	lead     *batched[T]
	bytes    int
	deadline time.Time
	due      bool               // collects no more: the lead runs it at once
	running  bool               // nobody can leave any more
	living   int                // records whose context has not ended, while it runs
	cancel   context.CancelFunc // ends the call's context

	watched  []<-chan struct{}
	stop     chan struct{} // ends the watchers
	watchers sync.WaitGroup
}

// batched is one record in a batch.
type batched[T any] struct {
	payload T
	bytes   int
	batch   *batch[T]
	wake    chan struct{} // holds one signal to look again
	done    chan struct{} // closed once err is the result
	err     error
}

func (r *batched[T]) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// join puts the record into the open batch and closes that when it is complete.
func (b *batching[T]) join(r *batched[T], draining <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if open := b.open; open != nil && b.bounded && open.bytes+r.bytes > b.bytes {
		b.close(open)
		open.lead.signal()
	}
	if b.open == nil {
		b.open = &batch[T]{lead: r, deadline: time.Now().Add(b.wait), stop: make(chan struct{})}
	}
	r.batch = b.open
	r.batch.records = append(r.batch.records, r)
	r.batch.bytes += r.bytes
	if len(r.batch.records) == b.size || b.bounded && r.batch.bytes >= b.bytes {
		r.batch.lead = r
		b.close(r.batch)
		return
	}
	b.watch(r.batch, draining)
}

func (b *batching[T]) close(batch *batch[T]) {
	batch.due = true
	if b.open == batch {
		b.open = nil
	}
}

// watch makes the batch due when the channel is closed. A parked record has one
// channel to wake it, which tells it its result; so each partition in a batch has
// a watcher, for which whoever ends the batch waits.
func (b *batching[T]) watch(batch *batch[T], draining <-chan struct{}) {
	if draining == nil || slices.Contains(batch.watched, draining) {
		return
	}
	batch.watched = append(batch.watched, draining)
	batch.watchers.Go(func() {
		select {
		case <-draining:
			b.mu.Lock()
			defer b.mu.Unlock()
			if !batch.due && !batch.running && len(batch.records) > 0 {
				b.close(batch)
				batch.lead.signal()
			}
		case <-batch.stop:
		}
	})
}

// turn says whether the record's call is to run the batch, and else how long it
// waits before it asks again; 0 is until it is woken.
func (b *batching[T]) turn(r *batched[T]) (left time.Duration, runs bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	batch := r.batch
	if batch.running || batch.lead != r {
		return 0, false
	}
	if left = time.Until(batch.deadline); left > 0 && !batch.due {
		return left, false
	}
	b.close(batch)
	batch.running, batch.living = true, len(batch.records)
	return 0, true
}

// leave takes a record out whose context has ended, unless the batch runs.
func (b *batching[T]) leave(r *batched[T]) bool {
	b.mu.Lock()
	batch := r.batch
	if batch.running {
		b.abandon(batch)
		b.mu.Unlock()
		return false
	}
	batch.records = slices.DeleteFunc(batch.records, func(other *batched[T]) bool { return other == r })
	batch.bytes -= r.bytes
	if len(batch.records) == 0 {
		b.close(batch)
		b.mu.Unlock()
		batch.unwatch()
		return true
	}
	if batch.lead == r {
		batch.lead = batch.records[0]
		batch.lead.signal()
	}
	b.mu.Unlock()
	return true
}

// abandon counts a record of a running batch whose context has ended.
func (b *batching[T]) abandon(batch *batch[T]) {
	batch.living--
	if batch.living == 0 && batch.cancel != nil {
		batch.cancel()
	}
}

func (batch *batch[T]) unwatch() {
	close(batch.stop)
	batch.watchers.Wait()
}

// run calls the function and gives each record its result.
func (b *batching[T]) run(ctx context.Context, batch *batch[T]) {
	batch.unwatch()
	results := slices.Repeat([]error{ErrExited}, len(batch.records)) // unless the call comes back
	defer func() {
		for i, r := range batch.records {
			r.err = results[i]
			close(r.done)
			r.signal()
		}
	}()
	together, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	b.mu.Lock()
	batch.cancel = cancel
	if batch.living == 0 {
		cancel()
	}
	b.mu.Unlock()
	unhook := context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.abandon(batch)
	})
	defer unhook()
	results = b.call(together, batch.records)
}

func (b *batching[T]) call(ctx context.Context, records []*batched[T]) (results []error) {
	defer func() {
		if value := recover(); value != nil {
			results = slices.Repeat([]error{&PanicError{Value: value, Stack: debug.Stack()}}, len(records))
		}
	}()
	payloads := make([]T, len(records))
	for i, r := range records {
		payloads[i] = r.payload
	}
	results = b.f(ctx, payloads)
	if len(results) != len(records) {
		err := fmt.Errorf("stage: batch: the function returned %d results for %d records; return one for each", len(results), len(records))
		results = slices.Repeat([]error{err}, len(records))
	}
	return results
}
