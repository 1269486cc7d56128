package middleware_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vlab-research/burrow/stage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBoom = errors.New("boom")

// host is a pipeline as a middleware sees it: it records what parks.
type host struct {
	mu       sync.Mutex
	parkings []stage.Parking
	draining chan struct{}
}

func newHost() *host { return &host{draining: make(chan struct{})} }

func (h *host) Park(ctx context.Context, p stage.Parking) error {
	h.mu.Lock()
	h.parkings = append(h.parkings, p)
	h.mu.Unlock()
	return p.Block(ctx, h.draining)
}

func (h *host) Draining() <-chan struct{} { return h.draining }

func (h *host) context(t *testing.T) context.Context {
	t.Helper()
	return context.WithValue(t.Context(), stage.HostKey{}, stage.Host(h))
}

func (h *host) parked() []stage.Parking {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]stage.Parking(nil), h.parkings...)
}

// failing returns these errors, one a call, and then nil.
func failing(errs ...error) (stage.Stage, *int) {
	calls := new(int)
	return stage.Func(func(_ context.Context, msg stage.Message) (stage.Message, error) {
		*calls++
		if *calls <= len(errs) {
			return nil, errs[*calls-1]
		}
		return msg, nil
	}), calls
}

func always(err error) stage.Stage {
	return stage.Func(func(_ context.Context, msg stage.Message) (stage.Message, error) { return msg, err })
}

func order(offset int64) stage.Message {
	return stage.New([]byte("key"), []byte("secret payload"), stage.Headed("trace", []byte("1")),
		stage.At(stage.Position{Topic: "orders", Partition: 3, Offset: offset}))
}

// described is what the stage of each middleware has.
type described interface {
	stage.Stage
	MiddlewareName() string
	MiddlewareError() error
	Unwrap() stage.Stage
}

const ms = time.Millisecond
