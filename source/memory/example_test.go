package memory_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/source/memory"
	"github.com/vlab-research/burrow/stage"
)

// Testing your own pipeline: produce, run it until everything is committed, and
// look at what it did.
func Example() {
	broker := memory.NewBroker()
	broker.CreateTopic("orders", 2)
	broker.CreateTopic("orders.dlq", 1)
	broker.Produce("orders",
		stage.New([]byte("ann"), []byte("12 apples")),
		stage.New([]byte("bob"), []byte("no number")),
		stage.New([]byte("ann"), []byte("30 pears")))

	pipeline, err := burrow.New().
		From(broker.Source("billing", []string{"orders"})).
		Use(middleware.DeadLetter(broker, "orders.dlq")).
		WithCommitInterval(10 * time.Millisecond).
		Stage(stage.Decode(func(order []byte) (amount int, err error) {
			_, err = fmt.Sscan(string(order), &amount)
			return amount, err
		})).
		Stage(stage.Handle(func(_ context.Context, amount int) error {
			fmt.Println("billed", amount)
			return nil
		})).
		Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	done := make(chan error)
	go func() { done <- pipeline.Run(ctx) }()
	if err := broker.WaitConsumed(ctx, "billing", "orders"); err != nil {
		fmt.Println(err)
	}
	cancel()
	fmt.Println("ended:", <-done)
	for _, letter := range broker.Messages("orders.dlq", 0) {
		fmt.Printf("dead letter of %s: %s\n", letter.Key(), letter.Value())
	}
	// Output:
	// billed 12
	// billed 30
	// ended: <nil>
	// dead letter of bob: no number
}

// A member that dies before it committed: the next one gets the message again.
func ExampleSource_Crash() {
	broker := memory.NewBroker()
	broker.CreateTopic("orders", 1)
	broker.Produce("orders", stage.New(nil, []byte("apples")))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	busy := make(chan struct{})
	first := broker.Source("billing", []string{"orders"})
	died := run(ctx, first, func(ctx context.Context, order []byte) error {
		fmt.Printf("the first member gets %s\n", order)
		if string(order) == "pears" {
			close(busy)
			<-ctx.Done() // for ever, as far as the first member is concerned
		}
		return nil
	})
	fmt.Println(broker.WaitConsumed(ctx, "billing", "orders"))
	broker.Produce("orders", stage.New(nil, []byte("pears")))
	<-busy
	first.Crash()
	fmt.Println("crashed:", errors.Is(<-died, memory.ErrCrashed))

	ended := run(ctx, broker.Source("billing", []string{"orders"}), func(_ context.Context, order []byte) error {
		fmt.Printf("the second member gets %s\n", order)
		return nil
	})
	fmt.Println(broker.WaitConsumed(ctx, "billing", "orders"))
	cancel()
	fmt.Println("ended:", <-ended)
	// Output:
	// the first member gets apples
	// <nil>
	// the first member gets pears
	// crashed: true
	// the second member gets pears
	// <nil>
	// ended: <nil>
}

// run starts a pipeline and returns what its Run will return.
func run(ctx context.Context, src *memory.Source, handle func(context.Context, []byte) error) <-chan error {
	done := make(chan error, 1)
	pipeline, err := burrow.New().From(src).
		WithCommitInterval(10 * time.Millisecond).
		WithDrainTimeout(50 * time.Millisecond).
		Stage(stage.Handle(handle)).
		Build()
	if err != nil {
		done <- err
		return done
	}
	go func() { done <- pipeline.Run(ctx) }()
	return done
}
