package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/source/kafka"
	"github.com/vlab-research/burrow/stage"
)

// worker is a handler that commits all it receives, all the time, as fast as it can.
type worker struct {
	src   *kafka.Source
	seen  *ledger
	drain time.Duration // what a claim takes to end, at least

	mu        sync.Mutex // held while committing, so that no claim ends meanwhile
	next      map[source.Claim]int64
	served    int
	committed int
	again     []error // verdicts that may be tried again
	final     []error // the others
}

// ledger counts how often each message was received, by all members.
type ledger struct {
	mu    sync.Mutex
	times map[stage.Position]int
}

func (l *ledger) add(p stage.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.times[p]++
}

// sum returns how many messages were received, and how many more than once.
func (l *ledger) sum() (received, repeated int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.times {
		if n > 1 {
			repeated++
		}
	}
	return len(l.times), repeated
}

func newWorker(src *kafka.Source, seen *ledger) *worker {
	return &worker{src: src, seen: seen, next: make(map[source.Claim]int64)}
}

func (w *worker) Assigned(int) {}

func (w *worker) Serve(c source.Claim) {
	w.mu.Lock()
	w.next[c] = c.Start()
	w.served++
	w.mu.Unlock()
	for m, err := source.Next(c, nil); err == nil; m, err = source.Next(c, nil) {
		w.seen.add(m.Position())
		w.mu.Lock()
		w.next[c] = m.Position().Offset + 1
		w.mu.Unlock()
	}
	w.end(c)
}

// end commits the claim until that is final, and for as long as the drain takes.
func (w *worker) end(c source.Claim) {
	began, tick := time.Now(), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		w.mu.Lock()
		clean := w.commit([]source.Commit{{Claim: c, Next: w.next[c]}})
		over := clean && time.Since(began) >= w.drain || time.Since(began) > w.drain+patience
		if over {
			delete(w.next, c)
		}
		w.mu.Unlock()
		if over {
			return
		}
		<-tick.C
	}
}

// work commits until ctx ends.
func (w *worker) work(ctx context.Context) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		<-tick.C
		w.mu.Lock()
		var commits []source.Commit
		for c, next := range w.next {
			commits = append(commits, source.Commit{Claim: c, Next: next})
		}
		w.commit(commits)
		w.mu.Unlock()
	}
}

// commit reports whether no verdict may be tried again. It needs the lock.
func (w *worker) commit(commits []source.Commit) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	clean := true
	for _, err := range w.src.Commit(ctx, commits) {
		switch {
		case err == nil:
			w.committed++
		case errors.Is(err, source.ErrFenced) || errors.Is(err, source.ErrDenied):
			w.final = append(w.final, err)
		default:
			w.again = append(w.again, err)
			clean = false
		}
	}
	return clean
}

// claims are those being served.
func (w *worker) claims() []source.Claim {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.next))
}

func (w *worker) acknowledged() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.committed
}

// start runs the worker until stop is called or the test ends.
func (w *worker) start(t testing.TB) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	working.Go(func() { w.work(ctx) })
	halt := run(t, w.src, w)
	stop = sync.OnceValue(func() error {
		defer working.Wait()
		defer cancel()
		return halt()
	})
	t.Cleanup(func() { _ = stop() })
	return stop
}

// wasNeverFenced checks what a member that stays in its group is promised.
func (w *worker) wasNeverFenced(t testing.TB, name string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	kinds := make(map[string]int)
	for _, err := range w.again {
		kinds[fmt.Sprint(root(err))]++
	}
	t.Logf("%s: %d tenures, %d commits acknowledged, %d to try again %v", name, w.served, w.committed, len(w.again), kinds)
	if len(w.final) > 0 {
		t.Errorf("%s: %d commits of claims that it owned were refused for good, the first: %v", name, len(w.final), w.final[0])
	}
}

func root(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
