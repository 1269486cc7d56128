package pipeline

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/stage"
)

// passing does nothing; breaking panics or fails at messages from an offset on, and tells whether a reader ran them.
func passing(_ context.Context, m stage.Message) (stage.Message, error) { return m, nil }

func breaking(from int64, panics bool, inline *atomic.Bool) stage.Func {
	return func(_ context.Context, m stage.Message) (stage.Message, error) {
		if m.Position().Offset < from {
			return m, nil
		}
		inline.Store(inReader())
		if panics {
			panic("bad")
		}
		return m, errBoom
	}
}

func around(next stage.Stage) stage.Stage { return stage.Func(next.Process) }

func TestAFailureIsToldWithTheStepThatRan(t *testing.T) {
	outside := func(next stage.Stage) stage.Stage { // panics itself, after the steps
		return stage.Func(func(ctx context.Context, m stage.Message) (stage.Message, error) {
			_, _ = next.Process(ctx, m)
			return breaking(1000, true, new(atomic.Bool))(ctx, m)
		})
	}
	for name, c := range map[string]struct {
		steps []string // of which the last one panics or fails
		mw    stage.Middleware
		want  string
	}{
		"alone":                  {[]string{"a"}, nil, "a"},
		"the last of three":      {[]string{"a", "b", "c"}, nil, "c"},
		"alone in middleware":    {[]string{"a"}, around, "a"},
		"the last in middleware": {[]string{"a", "b", "c"}, around, "c"},
		"middleware itself":      {nil, outside, ""},
	} {
		for i := range 4 {
			inline, panics := i&1 == 1, i&2 == 2
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					src := newRoomySource(1)
					var ranInline atomic.Bool
					cfg := Config{Source: src, Workers: 2, Ordering: Unordered, MaxConsecutive: 100, Middleware: c.mw}
					for i, name := range c.steps {
						step := stage.Func(passing)
						if i == len(c.steps)-1 {
							step = breaking(1000, panics, &ranInline)
						}
						cfg.Steps = append(cfg.Steps, Step{Name: name, Stage: step})
					}
					if cfg.Steps == nil {
						cfg.Steps = []Step{{Name: "a", Stage: stage.Func(passing)}}
					}
					p := New(cfg)
					last := stage.New(nil, nil, stage.At(stage.Position{Topic: "t", Offset: 1000}))
					out, err := p.Process(t.Context(), last)
					if out != nil {
						t.Error("Process returns a message beside the error")
					}
					wantStage(t, "Process", err, c.want)

					ctx, cancel := context.WithCancel(t.Context())
					done := make(chan error, 1)
					go func() { done <- p.Run(ctx) }()
					if inline {
						src.claims[0].warm("")
					}
					synctest.Wait()
					src.claims[0].messages <- last
					time.Sleep(time.Minute)
					if c.steps != nil && ranInline.Load() != inline {
						t.Errorf("in the reader: %v", !inline)
					}
					wantStage(t, "Run", p.claimOf("t", 0).lastFailure(), c.want)
					cancel()
					if err := <-done; err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

func wantStage(t *testing.T, what string, err error, want string) {
	t.Helper()
	if failure, ok := err.(*Error); !ok || failure.Stage != want {
		t.Errorf("%s: %#v, want a failure of stage %q", what, err, want)
	}
}

// A pipeline may be used by a handler of another one.
func TestAPipelineWithinAnotherNamesItsOwnStep(t *testing.T) {
	step := func(name string, f stage.Func) Step { return Step{Name: name, Stage: f} }
	inner := New(Config{Steps: []Step{step("a", passing), step("b", passing), step("c", passing)}})
	outer := New(Config{Steps: []Step{step("one", passing), step("two", func(ctx context.Context, m stage.Message) (stage.Message, error) {
		if _, err := inner.Process(ctx, m); err != nil {
			t.Error(err)
		}
		panic("bad")
	})}})
	_, err := outer.Process(t.Context(), stage.New(nil, nil))
	wantStage(t, "Process", err, "two")
}
