// Typed shows stages that pass Go values on: bytes become an order, an order becomes
// an invoice. Neighbours that don't fit are found by Build, not by the first message.
//
//	go run ./examples/typed
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/source/memory"
	"github.com/vlab-research/burrow/stage"
)

type order struct {
	Customer string
	Cents    int64
	Test     bool
}

type invoice struct {
	To    string
	Total string
}

func decode(value []byte) (o order, err error) { return o, json.Unmarshal(value, &o) }

func check(o order) error {
	if o.Cents <= 0 {
		return errors.New("an order must cost something")
	}
	return nil
}

func isReal(o order) bool { return !o.Test }

func bill(_ context.Context, o order) (invoice, error) {
	return invoice{To: o.Customer, Total: fmt.Sprintf("%d.%02d", o.Cents/100, o.Cents%100)}, nil
}

func send(_ context.Context, i invoice) error {
	_, err := fmt.Println("invoice to", i.To, "over", i.Total)
	return err
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	broker := memory.NewBroker()
	broker.CreateTopic("orders", 1)
	for _, text := range []string{
		`{"Customer": "Ada", "Cents": 1995}`,
		`{"Customer": "Nobody", "Cents": 1, "Test": true}`,
		`{"Customer": "Grace", "Cents": 250}`,
	} {
		broker.Produce("orders", stage.New(nil, []byte(text)))
	}
	orders := burrow.New().From(broker.Source("billing", []string{"orders"})).
		WithCommitBatch(3). // so that the commit doesn't wait for its interval
		Stage(stage.Decode(decode)).
		Stage(stage.Validate(check)).
		Stage(stage.Filter(isReal))

	// A builder is a value: these two share what is above, and nothing else.
	_, err := orders.Stage(stage.Named("send", stage.Handle(send))).Build()
	fmt.Println("without the stage that bills:", err)

	p, err := orders.Stage(stage.Map(bill)).Stage(stage.Named("send", stage.Handle(send))).Build()
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	go func() {
		defer stop()
		_ = broker.WaitConsumed(ctx, "billing", "orders") // fails only with ctx
	}()
	if err := p.Run(ctx); err != nil {
		return err
	}
	stats := p.Stats()
	fmt.Printf("%d received, %d processed, %d skipped\n", stats.Received, stats.Processed, stats.Skipped)
	return nil
}
