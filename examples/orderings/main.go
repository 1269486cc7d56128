// Orderings runs the same messages by the three orderings, side by side: how long
// each takes, and in which order one customer's messages were done.
//
//	go run ./examples/orderings
package main

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/source/memory"
	"github.com/vlab-research/burrow/stage"
)

const (
	customers = 8
	messages  = 10 // of each customer
	workers   = 16
	longest   = 20 * time.Millisecond
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	fmt.Printf("one partition, %d messages of %d customers, %d workers, up to %v each\n\n",
		customers*messages, customers, workers, longest)
	for _, ordering := range []burrow.Ordering{burrow.Unordered, burrow.ByKey, burrow.ByPartition} {
		seen := &diary{of: make(map[string][]string)}
		took, err := consume(ordering, seen)
		if err != nil {
			return err
		}
		fmt.Printf("%-13s %6v, at most %2d at once; customer A's messages: %s\n",
			ordering, took.Round(time.Millisecond), seen.most, strings.Join(seen.of["A"], " "))
	}
	return nil
}

// consume handles all messages by one ordering and returns how long that took.
func consume(ordering burrow.Ordering, seen *diary) (time.Duration, error) {
	broker := memory.NewBroker()
	broker.CreateTopic("orders", 1)
	for i := range messages {
		for c := range customers {
			broker.Produce("orders", stage.New([]byte{byte('A' + c)}, fmt.Appendf(nil, "%d", i)))
		}
	}
	p, err := burrow.New().
		From(broker.Source("billing", []string{"orders"})).
		WithWorkers(workers).
		WithOrdering(ordering).
		WithCommitBatch(customers * messages).
		Stage(stage.Handle(seen.handle)).
		Build()
	if err != nil {
		return 0, err
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	began := time.Now()
	go func() {
		defer stop()
		_ = broker.WaitConsumed(ctx, "billing", "orders") // fails only with ctx
	}()
	err = p.Run(ctx)
	return time.Since(began), err
}

// diary notes what was handled, and in which order.
type diary struct {
	mu   sync.Mutex
	of   map[string][]string // by customer
	busy int
	most int
}

func (d *diary) handle(_ context.Context, msg burrow.Message) error {
	d.begin()
	<-time.After(rand.N(longest)) // slow work
	d.mu.Lock()
	defer d.mu.Unlock()
	customer := string(msg.Key())
	d.of[customer] = append(d.of[customer], string(msg.Value()))
	d.busy--
	return nil
}

func (d *diary) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.busy++
	d.most = max(d.most, d.busy)
}
