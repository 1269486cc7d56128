// Package checkpoints has the ways of Jeffail/checkpoint to know what may be committed.
package checkpoints

import (
	"context"
	"sync"

	"github.com/Jeffail/checkpoint"

	"github.com/vlab-research/burrow/internal/windowbench"
)

// Resolve settles a message.
type Resolve = func() *int64

// uncapped is Jeffail/checkpoint's list, which has no lock, behind a mutex.
type uncapped struct {
	mu   sync.Mutex
	list *checkpoint.Uncapped[int64]
}

// NewUncapped returns the list, which has no lock, behind a mutex.
func NewUncapped() windowbench.Keeper[Resolve] {
	return &uncapped{list: checkpoint.NewUncapped[int64]()}
}

func (k *uncapped) Admit(offset int64) Resolve {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.list.Track(offset, 1)
}

func (k *uncapped) Resolve(resolve Resolve) {
	k.mu.Lock()
	defer k.mu.Unlock()
	resolve()
}

// capped is the same with its own lock and bound, as Redpanda Connect uses it.
type capped struct{ list *checkpoint.Capped[int64] }

// NewCapped returns the list with its own lock and bound, as Redpanda Connect uses it.
func NewCapped() windowbench.Keeper[Resolve] {
	const mostInFlight = 100_000
	return capped{checkpoint.NewCapped[int64](mostInFlight)}
}

func (k capped) Admit(offset int64) Resolve {
	resolve, err := k.list.Track(context.Background(), offset, 1)
	if err != nil {
		panic(err)
	}
	return resolve
}

func (k capped) Resolve(resolve Resolve) { resolve() }
