package kafka

import (
	"context"
	"sync"
)

// gatherer has one request out at a time, and what is asked for meanwhile goes together
// in the next one. Nobody waits for others to come.
type gatherer[Q any] struct {
	calls *crew
	// sendFunc asks for all, and returns an error for each.
	sendFunc func([]Q) []error

	mu      sync.Mutex
	busy    bool
	waiting []asked[Q]
}

type asked[Q any] struct {
	question Q
	answer   chan error // has room for it
}

// ask returns the question's own error. When ctx ends the question stays asked.
func (g *gatherer[Q]) ask(ctx context.Context, question Q) error {
	own := asked[Q]{question, make(chan error, 1)}
	if !g.join(own) {
		return errShut
	}
	select {
	case err := <-own.answer:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g *gatherer[Q]) join(own asked[Q]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.busy && !g.calls.spawn(g.work) {
		return false
	}
	g.busy, g.waiting = true, append(g.waiting, own)
	return true
}

// work ends when nothing was asked for meanwhile.
func (g *gatherer[Q]) work() {
	for batch := g.take(); len(batch) > 0; batch = g.take() {
		questions := make([]Q, len(batch))
		for i, a := range batch {
			questions[i] = a.question
		}
		for i, err := range g.sendFunc(questions) {
			batch[i].answer <- err
		}
	}
}

func (g *gatherer[Q]) take() (batch []asked[Q]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	batch, g.waiting = g.waiting, nil
	g.busy = len(batch) > 0
	return batch
}
