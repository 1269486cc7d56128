package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// Invoice is what customers pay.
type Invoice struct {
	Number string
	Cents  int64
}

// Bank is where the money comes from.
type Bank interface {
	Charge(ctx context.Context, i Invoice) error
}

// NewBilling makes the pipeline that charges invoices. It takes what differs between
// production and a test: where invoices come from, where bad ones go, and the bank.
func NewBilling(invoices source.Source, letters middleware.Publisher, bank Bank) (*burrow.Pipeline, error) {
	return burrow.New().
		From(invoices).
		WithWorkers(50).
		Use(
			middleware.DeadLetter(letters, "invoices.dlq"),
			middleware.Retry(retry.Exponential{Base: time.Second, Max: time.Minute}, 10),
		).
		Stage(stage.Decode(decode)).
		Stage(stage.Validate(check)).
		Stage(stage.Named("charge", stage.Handle(bank.Charge)), middleware.Timeout(10*time.Second)).
		Build()
}

func decode(value []byte) (i Invoice, err error) { return i, json.Unmarshal(value, &i) }

func check(i Invoice) error {
	if i.Cents <= 0 {
		return errors.New("an invoice must be over something")
	}
	return nil
}
