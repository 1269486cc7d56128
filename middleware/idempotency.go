package middleware

import (
	"context"
	"fmt"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/vlab-research/burrow/stage"
)

// Store remembers which messages were processed. It is safe for concurrent use.
type Store interface {
	// Seen says whether the id was remembered.
	Seen(ctx context.Context, id string) (bool, error)
	// Remember keeps the id.
	Remember(ctx context.Context, id string) error
}

// Idempotency skips a message whose id the store has seen ([stage.Skip]), and lets
// the store remember an id once the stages inside succeeded or skipped. The function gives the id:
// [MessageID] for redelivered messages, or what the producer put into a header; "" is never a repeat.
//
// Two messages of one id that come at once run one after the other, within this
// process: the second waits parked. A crash between the work and Remember still
// repeats the work, unless the store keeps both in one transaction. An error of the store fails the
// message, after the work too; it can be tried again.
func Idempotency(store Store, idFunc func(stage.Message) string) stage.Middleware {
	i := &idempotency{store: store, idFunc: idFunc, running: map[string]chan struct{}{}}
	errs := []error{
		require(store != nil, "the store is nil; use NewLRUStore in tests"),
		require(idFunc != nil, "the function that gives the id is nil; use MessageID"),
	}
	return func(next stage.Stage) stage.Stage {
		return wrap(NameIdempotency, next, func(ctx context.Context, msg stage.Message) (stage.Message, error) {
			return i.process(ctx, next, msg)
		}, errs...)
	}
}

type idempotency struct {
	store  Store
	idFunc func(stage.Message) string

	mu      sync.Mutex
	running map[string]chan struct{} // closed when the id's message is done
}

func (i *idempotency) process(ctx context.Context, next stage.Stage, msg stage.Message) (stage.Message, error) {
	id := i.idFunc(msg)
	if id == "" {
		return next.Process(ctx, msg)
	}
	if err := i.enter(ctx, id); err != nil {
		return nil, err
	}
	defer i.exit(id)
	seen, err := i.store.Seen(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("middleware: idempotency: ask the store: %w", err)
	}
	if seen {
		return nil, fmt.Errorf("middleware: idempotency: seen before: %w", stage.Skip)
	}
	out, err := next.Process(ctx, msg)
	if how := outcomeOf(ctx, err); how == failed || how == released {
		return out, err
	}
	if storeErr := i.store.Remember(ctx, id); storeErr != nil {
		return nil, fmt.Errorf("middleware: idempotency: tell the store: %w", storeErr)
	}
	return out, err
}

// enter waits until no other message of the id runs.
func (i *idempotency) enter(ctx context.Context, id string) error {
	for {
		i.mu.Lock()
		other, busy := i.running[id]
		if !busy {
			i.running[id] = make(chan struct{})
		}
		i.mu.Unlock()
		if !busy {
			return nil
		}
		if err := (stage.Parking{Wake: other, Reason: "idempotency"}).Wait(ctx); err != nil {
			return err
		}
	}
}

func (i *idempotency) exit(id string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	close(i.running[id])
	delete(i.running, id)
}

// LRUStore is a [Store] in memory that forgets what it saw longest ago. It
// forgets everything with the process: for tests, and where a repeat now and then is fine.
type LRUStore struct{ ids *lru.Cache[string, struct{}] }

// NewLRUStore makes a store of so many ids, at least one.
func NewLRUStore(size int) *LRUStore {
	ids, err := lru.New[string, struct{}](max(size, 1))
	if err != nil {
		panic(err) // only a size below 1 is wrong
	}
	return &LRUStore{ids}
}

// Seen says whether the id is among those remembered last. It returns no error.
func (s *LRUStore) Seen(_ context.Context, id string) (bool, error) { return s.ids.Contains(id), nil }

// Remember keeps the id. It returns no error.
func (s *LRUStore) Remember(_ context.Context, id string) error {
	s.ids.Add(id, struct{}{})
	return nil
}
