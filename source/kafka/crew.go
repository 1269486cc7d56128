package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

var (
	errStopped = errors.New("kafka: stopped")
	// errShut is a crew's answer to a call that therefore never began. A context that
	// ended because the source stops has errStopped as its cause, and its call goes on.
	errShut = fmt.Errorf("%w: nothing new begins", errStopped)
)

// crew counts what is under way and has one owner, who shuts the door and waits
// for the last one to leave. The zero value is open and empty.
type crew struct {
	mu    sync.Mutex
	size  int
	shut  bool
	empty chan struct{}
}

// enter reports false once the door is shut.
func (c *crew) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shut {
		return false
	}
	c.size++
	return true
}

func (c *crew) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.size--
	if c.shut && c.size == 0 {
		close(c.empty)
	}
}

// close shuts the door and returns a channel that is closed when nobody is left.
func (c *crew) close() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shut {
		return c.empty
	}
	c.shut, c.empty = true, make(chan struct{})
	if c.size == 0 {
		close(c.empty)
	}
	return c.empty
}

// spawn runs f on a goroutine of the crew.
func (c *crew) spawn(f func()) bool {
	if !c.enter() {
		return false
	}
	go func() {
		defer c.leave()
		f()
	}()
	return true
}

// await runs f, which may block for long inside sarama, on a goroutine of the
// crew and waits until ctx ends. The result of an f that is late is dropped.
func await[T any](ctx context.Context, c *crew, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	var none T
	if !c.spawn(func() {
		value, err := f()
		done <- result{value, err}
	}) {
		return none, errShut
	}
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}
