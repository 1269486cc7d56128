package stage_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/stage"
)

// host is a pipeline as a stage sees it: it records what parks.
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

func (h *host) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, stage.HostKey{}, stage.Host(h))
}

func TestParkOutsideAPipelineIsAPlainWait(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		parking stage.Parking
		wake    string        // "": no channel; "closed", "open"
		cancel  time.Duration // when ctx ends
		takes   time.Duration
		want    error
	}{
		"time is over":                {stage.Parking{For: time.Minute}, "", 0, time.Minute, nil},
		"ctx ends":                    {stage.Parking{For: time.Minute}, "", time.Second, time.Second, context.Canceled},
		"woken":                       {stage.Parking{For: time.Minute}, "closed", 0, 0, nil},
		"woken without a limit":       {stage.Parking{}, "closed", 0, 0, nil},
		"never woken":                 {stage.Parking{}, "open", time.Hour, time.Hour, context.Canceled},
		"never woken, but time":       {stage.Parking{For: time.Second}, "open", 0, time.Second, nil},
		"no time at all":              {stage.Parking{}, "", 0, 0, nil},
		"a time that is over already": {stage.Parking{For: -time.Second}, "", 0, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				parking := test.parking
				if test.wake != "" {
					wake := make(chan struct{})
					if test.wake == "closed" {
						close(wake)
					}
					parking.Wake = wake
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if test.cancel > 0 {
					time.AfterFunc(test.cancel, cancel)
				}
				start := time.Now()
				if err := parking.Wait(ctx); !errors.Is(err, test.want) || time.Since(start) != test.takes {
					t.Errorf("%v after %v, want %v after %v", err, time.Since(start), test.want, test.takes)
				}
			})
		})
	}
}

func TestParkInAPipelineEndsWithItsPartition(t *testing.T) {
	for name, test := range map[string]struct {
		lingers bool
		takes   time.Duration
		want    error
	}{
		"drains":  {false, time.Second, stage.ErrReleased},
		"lingers": {true, time.Minute, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, start := newHost(), time.Now()
				time.AfterFunc(time.Second, func() { close(h.draining) })
				err := stage.Parking{For: time.Minute, Reason: "retry", Lingers: test.lingers}.Wait(h.in(t.Context()))
				if !errors.Is(err, test.want) || time.Since(start) != test.takes {
					t.Errorf("%v after %v", err, time.Since(start))
				}
				if len(h.parkings) != 1 || h.parkings[0].Reason != "retry" {
					t.Errorf("the pipeline saw %+v", h.parkings)
				}
			})
		})
	}
}

func TestAnEndedContextIsNotParked(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h := newHost()
	if err := stage.Park(h.in(ctx), time.Hour); !errors.Is(err, context.Canceled) || len(h.parkings) != 0 {
		t.Errorf("%v, %d parkings", err, len(h.parkings))
	}
}

func TestDrainingIsThePipelinesAndElseNever(t *testing.T) {
	t.Parallel()
	h := newHost()
	if stage.Draining(t.Context()) != nil || stage.Draining(h.in(t.Context())) != (<-chan struct{})(h.draining) {
		t.Error("another channel")
	}
}
