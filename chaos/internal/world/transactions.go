package world

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	transactors = 3
	// transaction is how long the brokers wait for one whose producer is gone.
	transaction = 10 * time.Second
	// aborted is how many of a hundred transactions are.
	aborted = 30
)

// runTransactions produces in transactions until ctx ends. Several do at once, so
// that what is aborted stands among what is committed.
func (p *producer) runTransactions(ctx context.Context) error {
	var wg sync.WaitGroup
	errs := make(chan error, transactors)
	for i := range transactors {
		wg.Go(func() { errs <- p.transact(ctx, i) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// transact produces one transaction after the other. A client whose transaction
// failed is replaced by one of the same id, which aborts what was left open.
func (p *producer) transact(ctx context.Context, number int) error {
	rng := p.rng(uint64(1 + number)) //nolint:gosec // it is not negative
	var client *kgo.Client
	fresh := func() (err error) {
		if client != nil {
			client.Close()
		}
		client, err = p.dial(kgo.TransactionalID(fmt.Sprintf("%s-%d", p.topic, number)), kgo.TransactionTimeout(transaction))
		return err
	}
	if err := fresh(); err != nil {
		return err
	}
	defer func() { client.Close() }()
	pace := &pace{began: time.Now(), rate: float64(p.rate) / transactors}
	for ctx.Err() == nil {
		if p.one(ctx, client, rng, pace) == nil {
			continue
		}
		if err := fresh(); err != nil {
			return err
		}
	}
	return nil
}

// pace makes up for the time that a commit takes.
type pace struct {
	began time.Time
	rate  float64 // a second
	sent  int
}

func (p *pace) due() int { return int(time.Since(p.began).Seconds() * p.rate) }

// one is one transaction. What is begun is ended, also when ctx ends.
func (p *producer) one(ctx context.Context, client *kgo.Client, rng *rand.Rand, pace *pace) error {
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	lasts := between(rng, 20*time.Millisecond, 300*time.Millisecond)
	for began := time.Now(); time.Since(began) < lasts && pause(ctx, tick) == nil; {
		if p.backlog() > tooFar {
			pace.sent = pace.due()
		}
		for due := pace.due(); pace.sent < due; pace.sent++ {
			client.Produce(context.WithoutCancel(ctx), p.record(rng), nil)
		}
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*transaction)
	defer cancel()
	if err := client.Flush(ending); err != nil {
		return err
	}
	return client.EndTransaction(ending, kgo.TransactionEndTry(rng.IntN(100) >= aborted))
}
