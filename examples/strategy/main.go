// Strategy shows a commit strategy of one's own, which decides what a commit may
// pass. See strategy.go for it, and main_test.go for how package offsetstest checks it.
//
//	go run ./examples/strategy
//	go test -v ./examples/strategy
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/source/memory"
	"github.com/vlab-research/burrow/stage"
)

const (
	messages = 20
	unlucky  = 4  // its server is away
	broken   = 12 // the code can't handle it
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	broker := memory.NewBroker()
	broker.CreateTopic("orders", 1)
	for range messages {
		broker.Produce("orders", stage.New(nil, []byte("order")))
	}
	p, err := burrow.New().
		From(broker.Source("billing", []string{"orders"})).
		WithCommitStrategy(GiveUp{Tries: 3}).
		WithMaxConsecutiveErrors(messages). // don't halt at the first failure
		WithCommitInterval(10 * time.Millisecond).
		Use(middleware.Retry(retry.Linear{Step: 5 * time.Millisecond}, 3)).
		Stage(stage.Named("save", stage.Handle(save))).
		Build()
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	go func() {
		defer stop()
		watch(ctx, p)
	}()
	if err := p.Run(ctx); err != nil {
		return err
	}
	next, _ := broker.Committed("billing", "orders", 0)
	fmt.Printf("committed: all before %d, of %d messages\n", next, messages)
	return nil
}

func save(_ context.Context, msg burrow.Message) error {
	switch msg.Position().Offset {
	case unlucky:
		return errors.New("the server doesn't answer")
	case broken:
		return retry.Permanent(errors.New("the code can't handle it"))
	}
	return nil
}

// watch waits until the commit is held by the broken message, and says so.
func watch(ctx context.Context, p *burrow.Pipeline) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for ctx.Err() == nil {
		<-ticker.C
		held := p.Explain("orders", 0)
		if held.State != "failed" || held.Offset != broken {
			continue
		}
		stats := p.Stats()
		fmt.Printf("%d processed, %d failed, of which %d passed\n", stats.Processed, stats.Failed, stats.Passed)
		fmt.Println(held)
		return
	}
}
