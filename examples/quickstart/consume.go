package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/source/kafka"
	"github.com/vlab-research/burrow/stage"
)

// window bounds what a crash repeats, in messages of each partition.
const window = 200

// job is what a consumer has to know.
type job struct {
	Brokers                    []string
	Group, Orders, DeadLetters string
	Ledger                     string
	Workers                    int
	Session                    time.Duration
}

// consume reads orders and saves them, until ctx ends. It gives the running
// pipeline to started, which may be nil.
func consume(ctx context.Context, j job, started func(*burrow.Pipeline)) (err error) {
	src, err := kafka.NewSource(j.Brokers, j.Group, []string{j.Orders}, kafka.WithSarama(func(c *sarama.Config) {
		c.Consumer.Group.Session.Timeout = j.Session // how soon the group notices a crash
		c.Consumer.Group.Heartbeat.Interval = j.Session / 10
	}))
	if err != nil {
		return err
	}
	letters, err := kafka.NewProducer(j.Brokers)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeProducer(letters)) }()
	database, err := openLedger(j.Ledger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, database.Close()) }()

	shop := &shop{database: database, refused: make(map[int]int)}
	pipeline, err := burrow.New().
		From(src).
		WithWorkers(j.Workers).
		WithMaxInFlight(window).
		WithCommitInterval(200*time.Millisecond).
		Use(
			middleware.DeadLetter(letters, j.DeadLetters),
			middleware.Retry(retry.Jittered{Strategy: retry.Exponential{Base: 50 * time.Millisecond}}, 5),
		).
		Stage(stage.Decode(decodeOrder)).
		Stage(stage.Validate(Order.Check)).
		Stage(stage.Named("save", stage.Handle(shop.save)), middleware.Timeout(2*time.Second)).
		Build()
	if err != nil {
		return err
	}
	if started != nil {
		started(pipeline)
	}
	return pipeline.Run(ctx)
}

func closeProducer(p *kafka.Producer) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return p.Close(ctx)
}

var errRefused = errors.New("the database is busy")

// shop is where orders are saved, slowly, and not always at the first try.
type shop struct {
	database *ledger

	mu      sync.Mutex
	refused map[int]int // by order: how often so far
}

func (s *shop) save(ctx context.Context, o Order) error {
	select {
	case <-time.After(o.Work):
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.refuses(o) {
		if err := s.database.write(refused, o.ID); err != nil {
			return err
		}
		return errRefused
	}
	return s.database.write(saved, o.ID)
}

func (s *shop) refuses(o Order) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused[o.ID] >= o.Refusals {
		return false
	}
	s.refused[o.ID]++
	return true
}
