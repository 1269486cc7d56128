// Testing shows how to test a pipeline of one's own: without Kafka, and without
// waiting, because the clock of a testing/synctest bubble is not the real one. What it is
// about are billing.go, the pipeline, and billing_test.go.
//
//	go test -v ./examples/testing
//	go run ./examples/testing
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/vlab-research/burrow/source/memory"
	"github.com/vlab-research/burrow/stage"
)

// printingBank stops the program after the first charge. Run commits it before it returns.
type printingBank struct{ stop func() }

func (b printingBank) Charge(_ context.Context, i Invoice) error {
	defer b.stop()
	_, err := fmt.Printf("charged %s over %d cents\n", i.Number, i.Cents)
	return err
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	broker := memory.NewBroker()
	broker.CreateTopic("invoices", 1)
	broker.CreateTopic("invoices.dlq", 1)
	broker.Produce("invoices", stage.New(nil, []byte(`{"Number": "2026-1", "Cents": 4200}`)))
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	p, err := NewBilling(broker.Source("billing", []string{"invoices"}), broker, printingBank{stop})
	if err != nil {
		return err
	}
	if err := p.Run(ctx); err != nil {
		return err
	}
	next, _ := broker.Committed("billing", "invoices", 0)
	fmt.Printf("committed: all before %d\n", next)
	return nil
}
