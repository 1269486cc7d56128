package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/vlab-research/burrow/stage"
)

// Order is what the messages hold.
type Order struct {
	ID       int    `json:"id"`
	Customer string `json:"customer"`
	Cents    int64  `json:"cents"`

	// Work is how long saving it takes, and Refusals how often the database refuses
	// it before: what a real order doesn't know.
	Work     time.Duration `json:"work"`
	Refusals int           `json:"refusals,omitempty"`
}

// Check says whether the order makes sense.
func (o Order) Check() error {
	if o.Cents <= 0 {
		return errors.New("an order must cost something")
	}
	return nil
}

func decodeOrder(value []byte) (Order, error) {
	var o Order
	if err := json.Unmarshal(value, &o); err != nil {
		return Order{}, fmt.Errorf("not an order: %w", err)
	}
	return o, nil
}

// produced is an order on its way: its bytes, and where the broker stored them.
type produced struct {
	Order
	value  []byte
	poison bool // can't be saved, however often it is tried
	at     stage.Position
}

// makeOrders makes n orders, the same ones for the same seed. One in 20 is refused
// once or twice; of 500, one is no JSON and one costs less than nothing.
func makeOrders(n int, seed uint64) []*produced {
	random := rand.New(rand.NewPCG(seed, 0))
	orders := make([]*produced, n)
	for i := range orders {
		o := &produced{Order: Order{
			ID:       i,
			Customer: fmt.Sprintf("customer-%d", random.IntN(max(n/5, 1))),
			Cents:    1 + random.Int64N(100_000),
			Work:     time.Millisecond * time.Duration(1+random.IntN(100)),
		}}
		if random.IntN(20) == 0 {
			o.Refusals = 1 + random.IntN(2)
		}
		o.encode()
		orders[i] = o
	}
	return orders
}

func (o *produced) encode() {
	broken, worthless := o.ID%500 == 250, o.ID%500 == 400
	if worthless {
		o.Cents = -o.Cents
	}
	o.value, _ = json.Marshal(o.Order) // numbers and a string can't fail
	if broken {
		o.value = o.value[:len(o.value)/2]
	}
	o.poison = broken || worthless
}

// workOneByOne is how long the orders take one after the other, without any waiting.
func workOneByOne(orders []*produced) time.Duration {
	var sum time.Duration
	for _, o := range orders {
		if !o.poison {
			sum += o.Work * time.Duration(1+o.Refusals)
		}
	}
	return sum
}
