package burrow_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/source/memory"
	"github.com/vlab-research/burrow/stage"
)

type order struct{ ID string }
type invoice struct{ ID string }

func decodeOrder(b []byte) (order, error)                              { return order{string(b)}, nil }
func decodeInvoice(b []byte) (invoice, error)                          { return invoice{string(b)}, nil }
func save(context.Context, order) error                                { return nil }
func pass(_ context.Context, m burrow.Message) (burrow.Message, error) { return m, nil }

func memorySource() *memory.Source {
	b := memory.NewBroker()
	b.CreateTopic("orders", 1)
	return b.Source("g", []string{"orders"})
}

func valid() burrow.Builder { return burrow.New().From(memorySource()).Stage(stage.Func(pass)) }

func TestBuildNamesTheMethodOfEveryMistake(t *testing.T) {
	var noStrategy offsets.CommitStrategy
	broker := memory.NewBroker()
	dlq := middleware.DeadLetter(broker, "dlq")
	again := middleware.Retry(retry.Exponential{}, 3)
	cases := map[string]struct {
		b    burrow.Builder
		want []string
	}{
		"nothing":              {burrow.New(), []string{"From: a pipeline needs a source", "Stage: a pipeline needs at least one stage"}},
		"nil source":           {burrow.New().From(nil).Stage(stage.Func(pass)), []string{"From: the source is nil"}},
		"no workers":           {valid().WithWorkers(0), []string{"WithWorkers: 0 must be positive"}},
		"negative window":      {valid().WithMaxInFlight(-1).WithMaxInFlightBytes(-5), []string{"WithMaxInFlight: -1", "WithMaxInFlightBytes: -5"}},
		"commit":               {valid().WithCommitBatch(0).WithCommitInterval(0), []string{"WithCommitBatch: 0", "WithCommitInterval: 0s"}},
		"ordering":             {valid().WithOrdering(9), []string{"WithOrdering: 9 is no ordering"}},
		"strategy":             {valid().WithCommitStrategy(noStrategy), []string{"WithCommitStrategy: the strategy is nil"}},
		"skips nothing":        {valid().WithCommitStrategy(offsets.SkipFailures{After: time.Minute}), []string{"WithCommitStrategy: offsets.SkipFailures", "set WithMaxConsecutiveErrors"}},
		"threshold":            {valid().WithMaxConsecutiveErrors(0), []string{"WithMaxConsecutiveErrors: 0"}},
		"failure mode":         {valid().WithFailureMode(7), []string{"WithFailureMode: 7"}},
		"retries":              {valid().WithMaxRetries(-1), []string{"WithMaxRetries: -1"}},
		"drain":                {valid().WithDrainTimeout(time.Hour), []string{"WithDrainTimeout: 1h0m0s is too long for the source's rebalance timeout of 1m0s"}},
		"no drain":             {valid().WithDrainTimeout(-1), []string{"WithDrainTimeout: -1ns"}},
		"logger":               {valid().WithLogger(nil), []string{"WithLogger: the logger is nil"}},
		"nil middleware":       {valid().Use(nil), []string{"Use: a middleware is nil"}},
		"nil stage":            {valid().Stage(nil), []string{"Stage: stage 2 is nil"}},
		"nil stage middleware": {valid().Stage(stage.Func(pass), nil), []string{"Stage: a middleware of stage 2 is nil"}},
		"nils hide nothing": {
			valid().Stage(nil).Stage(stage.Decode(decodeInvoice), nil).Stage(stage.Handle(save)).Use(nil, again, dlq),
			[]string{
				"Stage: stage 2 is nil", "Stage: a middleware of stage 3 is nil", "Use: a middleware is nil",
				"takes burrow_test.order, stage 3", "Use: retry is outside deadletter",
			},
		},
		"nil functions": {
			burrow.New().From(memorySource()).Stage(stage.Func(nil)).Stage(stage.Decode[order](nil)).Stage(stage.Validate[order](nil)).
				Stage(stage.Filter[order](nil)).Stage(stage.Map[order, order](nil)).Stage(stage.Handle[order](nil)).
				Stage(stage.Named("work", stage.HandleMessage[order](nil))).Stage(stage.Named("none", nil)),
			[]string{
				`stage 1 "stage": stage: the function is nil`, `2 "decode": stage: the f`, `3 "validate": stage: the f`, `4 "filter": stage: the f`,
				`5 "map": stage: the f`, `6 "handle": stage: the f`, `7 "work": stage: the f`, `stage 8 "none": stage: Named got no stage`,
			},
		},
		"two in one": {
			valid().Use(middleware.Retry(nil, 0)).Stage(stage.Batch(0, -1, func(context.Context, []order) []error { return nil })),
			[]string{
				"Use: middleware: retry: retry: the strategy is nil", "Use: middleware: retry: attempts is 0",
				`stage 2 "batch": stage: batch: size is 0`, `stage 2 "batch": stage: batch: wait is -1ns`,
			},
		},
		"empty middleware": {valid().Use(func(stage.Stage) stage.Stage { return nil }), []string{"Use: a middleware returned no stage"}},
		"a chain": {
			valid().Use(stage.Chain(again, stage.Chain(dlq, nil), func(stage.Stage) stage.Stage { return nil }, middleware.Timeout(-1))),
			[]string{
				"Use: retry is outside deadletter", "Use: stage.Chain: middleware 2 is nil", "Use: stage.Chain: middleware 3 returned no stage", "Use: middleware: timeout",
			},
		},
		"bad middleware": {valid().Use(middleware.Timeout(-1)), []string{"Use: middleware: timeout"}},
		"types": {burrow.New().From(memorySource()).Stage(stage.Decode(decodeInvoice)).Stage(stage.Named("save", stage.Handle(save))),
			[]string{`stage 2 "save" takes burrow_test.order, stage 1 "decode" gives burrow_test.invoice`}},
		"not decoded":          {burrow.New().From(memorySource()).Stage(stage.Handle(save)), []string{`stage 1 "handle" takes burrow_test.order, but no stage before it decodes the message`}},
		"dead letter in retry": {valid().Use(again, dlq), []string{"Use: retry is outside deadletter", "swap them"}},
		"recover outside":      {valid().Use(middleware.Recover(), dlq), []string{"recover is outside deadletter"}},
		"retry twice":          {valid().Use(again).WithMaxRetries(2), []string{"retry is outside retry: the attempts would multiply"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := tc.b.Build()
			if err == nil || p != nil {
				t.Fatalf("built %v, error %v", p, err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
		})
	}
}

func TestBuildTakesWhatIsMeant(t *testing.T) {
	t.Parallel()
	cases := map[string]burrow.Builder{
		"plain":     valid(),
		"typed":     burrow.New().From(memorySource()).Stage(stage.Decode(decodeOrder)).Stage(stage.Handle(save)),
		"bytes":     burrow.New().From(memorySource()).Stage(stage.Handle(func(context.Context, []byte) error { return nil })),
		"message":   burrow.New().From(memorySource()).Stage(stage.Handle(func(context.Context, burrow.Message) error { return nil })),
		"interface": burrow.New().From(memorySource()).Stage(stage.Decode(decodeOrder)).Stage(stage.Handle(func(context.Context, any) error { return nil })),
		"untyped":   burrow.New().From(memorySource()).Stage(stage.Func(pass)).Stage(stage.Handle(save)),
		"skips":     valid().WithCommitStrategy(offsets.SkipFailures{}).WithMaxConsecutiveErrors(1),
		"layers":    valid().Use(middleware.DeadLetter(memory.NewBroker(), "d"), middleware.Retry(retry.Linear{}, 2), middleware.Recover()),
	}
	for name, b := range cases {
		if _, err := b.Build(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestForksOfABuilderDontTouchEachOther(t *testing.T) {
	t.Parallel()
	var seen []string
	mark := func(name string) burrow.Middleware {
		return func(next burrow.Stage) burrow.Stage {
			return stage.Func(func(ctx context.Context, m burrow.Message) (burrow.Message, error) {
				seen = append(seen, name)
				return next.Process(ctx, m)
			})
		}
	}
	base := valid().Use(mark("base"))
	a, b := base.Use(mark("a")), base.Use(mark("b"))
	for _, fork := range []struct {
		b    burrow.Builder
		want string
	}{{a, "base a"}, {b, "base b"}, {base, "base"}} {
		seen = nil
		p, err := fork.b.Build()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Process(t.Context(), stage.New(nil, nil)); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(seen, " "); got != fork.want {
			t.Errorf("ran %q, want %q", got, fork.want)
		}
	}
}

func TestAStageThatReturnsNothingIsNamed(t *testing.T) {
	t.Parallel()
	nothing := stage.Named("drop", stage.Func(func(context.Context, burrow.Message) (burrow.Message, error) { return nil, nil }))
	p, err := burrow.New().From(memorySource()).Stage(nothing).Stage(stage.Func(pass)).Build()
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Process(t.Context(), stage.New(nil, nil))
	if !errors.Is(err, burrow.ProcessingFailed) || !strings.Contains(err.Error(), `"drop"`) || retry.IsRetryable(err) {
		t.Errorf("error %v", err)
	}
}
