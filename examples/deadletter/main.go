// Deadletter shows what becomes of messages that can't be handled: after the retries,
// their bytes go to another topic, with headers that say what happened. Only when
// that topic has acknowledged them is the original resolved, and so committed.
//
//	go run ./examples/deadletter
package main

import (
	"context"
	"encoding/json"
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

const graveyard = "orders.dlq"

type order struct {
	Item  string
	Count int
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	broker := newBroker()
	stats, err := consume(broker)
	if err != nil {
		return err
	}
	fmt.Printf("%d received, %d processed, %d dead-lettered, after %d retries\n\n",
		stats.Received, stats.Processed, stats.DeadLettered, stats.Retried)
	return visit(broker)
}

// newBroker plays Kafka; with the real one it would be a kafka.Source and a kafka.Producer.
func newBroker() *memory.Broker {
	broker := memory.NewBroker()
	broker.CreateTopic("orders", 1)
	broker.CreateTopic(graveyard, 1)
	for _, text := range []string{
		`{"Item": "tea", "Count": 2}`,
		`{"Item": "tea", "Count":`,
		`{"Item": "unobtainium", "Count": 1}`,
		`{"Item": "cake", "Count": 0}`,
		`{"Item": "coffee", "Count": 1}`,
	} {
		broker.Produce("orders", stage.New(nil, []byte(text)))
	}
	return broker
}

func consume(broker *memory.Broker) (burrow.Stats, error) {
	p, err := burrow.New().
		From(broker.Source("kitchen", []string{"orders"})).
		WithCommitBatch(5). // so that the commit doesn't wait for its interval
		Use(
			middleware.DeadLetter(broker, graveyard),
			middleware.Retry(retry.Exponential{Base: 10 * time.Millisecond}, 4),
		).
		Stage(stage.Decode(decode)).
		Stage(stage.Named("prepare", stage.Handle(prepare)), middleware.Recover()). // a panic is a failure like others
		Build()
	if err != nil {
		return burrow.Stats{}, err
	}
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	go func() {
		defer stop()
		_ = broker.WaitConsumed(ctx, "kitchen", "orders") // fails only with ctx
	}()
	err = p.Run(ctx)
	return p.Stats(), err
}

func decode(value []byte) (o order, err error) { return o, json.Unmarshal(value, &o) }

func prepare(_ context.Context, o order) error {
	switch o.Item {
	case "unobtainium":
		return errors.New("out of stock")
	case "cake":
		fmt.Println("slices of", 12/o.Count) // panics for no slices
	}
	return nil
}

// visit prints the dead letters.
func visit(broker *memory.Broker) error {
	for _, msg := range broker.Messages(graveyard, 0) {
		letter, err := middleware.ParseDeadLetter(msg.Headers())
		if err != nil {
			return err
		}
		fmt.Printf("%s from %s\n  stage %q, %d tries in %v: %s\n",
			msg.Value(), letter.Position, letter.Stage, letter.Attempts,
			letter.LastFailure.Sub(letter.FirstFailure).Round(time.Millisecond), letter.Error)
	}
	return nil
}
