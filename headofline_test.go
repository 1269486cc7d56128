package burrow_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/source/memory"
	"github.com/vlab-research/burrow/stage"
)

func TestWithHeadOfLineRefusesWhatCannotBeMeant(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		b    burrow.Builder
		want []string
	}{
		"negative": {
			valid().WithHeadOfLine(burrow.HeadOfLine{After: -1, Burst: -2, Every: -3}),
			[]string{"WithHeadOfLine: After is -1ns", "WithHeadOfLine: Burst is -2", "WithHeadOfLine: Every is -3ns"},
		},
		"by partition": {
			valid().WithOrdering(burrow.ByPartition).WithHeadOfLine(burrow.HeadOfLine{}),
			[]string{"WithHeadOfLine: by partition"},
		},
		"by partition, set later": {
			valid().WithHeadOfLine(burrow.HeadOfLine{}).WithOrdering(burrow.ByPartition),
			[]string{"WithHeadOfLine: by partition"},
		},
	}
	for name, tc := range cases {
		_, err := tc.b.Build()
		for _, want := range tc.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v lacks %q", name, err, want)
			}
		}
	}
	base := valid()
	if _, err := base.WithHeadOfLine(burrow.HeadOfLine{After: time.Second}).Build(); err != nil {
		t.Error(err)
	}
	if _, err := base.WithOrdering(burrow.ByPartition).Build(); err != nil {
		t.Errorf("the fork changed the base: %v", err)
	}
}

func ExampleBuilder_WithHeadOfLine() {
	broker := memory.NewBroker()
	broker.CreateTopic("orders", 1)
	broker.CreateTopic("orders.dlq", 1)
	for i := range 200 {
		broker.Produce("orders", stage.New(nil, []byte(strconv.Itoa(i))))
	}
	p, err := burrow.New().
		From(broker.Source("billing", []string{"orders"})).
		WithMaxInFlight(20).
		WithCommitInterval(10 * time.Millisecond).
		WithHeadOfLine(burrow.HeadOfLine{After: 20 * time.Millisecond}).
		Use(middleware.DeadLetter(broker, "orders.dlq")).
		Stage(stage.Handle(func(ctx context.Context, value []byte) error {
			if string(value) == "5" {
				<-ctx.Done() // a call that never returns, and holds everything behind it
				return context.Cause(ctx)
			}
			return nil
		})).
		Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	waited := broker.WaitConsumed(ctx, "billing", "orders")
	cancel()
	stats := p.Stats()
	fmt.Println("waited:", waited, "run:", <-done)
	fmt.Println("processed", stats.Processed, "dead-lettered", stats.DeadLettered, "cancelled", stats.Cut)
	// Output:
	// waited: <nil> run: <nil>
	// processed 199 dead-lettered 1 cancelled 1
}
