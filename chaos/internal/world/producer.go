package world

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vlab-research/burrow/chaos/internal/worker"
)

const (
	keys = 40 // of each partition
	tick = 10 * time.Millisecond
	// tooFar is how many messages may wait before the producer does too.
	tooFar = 20_000
)

// producer writes messages at a steady rate, straight to the brokers.
type producer struct {
	dial       func(...kgo.Opt) (*kgo.Client, error)
	topic      string
	kind       string // of the topic
	rate       int
	seed       [2]uint64
	mean       time.Duration // of the work
	partitions atomic.Int32
	rough      atomic.Bool // some messages take long, fail or don't listen
	backlog    func() int64
}

// run produces until ctx ends, and waits for the acknowledgements.
func (p *producer) run(ctx context.Context) error {
	if p.kind == Transactions {
		return p.runTransactions(ctx)
	}
	client, err := p.dial()
	if err != nil {
		return err
	}
	defer client.Close()
	rng := p.rng(0)
	var sent int64
	for began := time.Now(); pause(ctx, tick) == nil; {
		due := int64(time.Since(began).Seconds() * float64(p.rate))
		if p.backlog() > tooFar {
			sent = due
		}
		for ; sent < due; sent++ {
			client.Produce(context.Background(), p.record(rng), nil) //nolint:contextcheck // what was begun is finished
		}
	}
	flush, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return client.Flush(flush)
}

// rng returns what one stream of messages is drawn from.
func (p *producer) rng(stream uint64) *rand.Rand {
	return rand.New(rand.NewPCG(p.seed[0], p.seed[1]<<8+stream)) //nolint:gosec // it must be repeatable
}

func (p *producer) record(rng *rand.Rand) *kgo.Record {
	r := &kgo.Record{Topic: p.topic, Partition: rng.Int32N(p.partitions.Load()), Value: p.work(rng).Encode()}
	if n := rng.IntN(keys + 2); n < keys || p.kind == Compacted { // which takes none without a key
		r.Key = strconv.AppendInt(nil, int64(n), 10)
	}
	return r
}

// work draws what a message asks for. Most are quick; in rough times a few take
// longer than the drain, fail at first, or ignore that their context ends.
func (p *producer) work(rng *rand.Rand) worker.Work {
	takes := time.Duration(rng.ExpFloat64() * float64(p.mean))
	w := worker.Work{Takes: min(takes, 20*p.mean)}
	if !p.rough.Load() {
		return w
	}
	switch n := rng.IntN(10_000); {
	case n < 100:
		w.Refuses = 1 + n%2
	case n < 150:
		w.Takes = 300 * time.Millisecond
	case n < 152:
		w.Takes = 3 * time.Second
	case n < 153:
		w.Takes, w.Deaf = 3*time.Second, true
	}
	return w
}
