package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/IBM/sarama"
	"github.com/sirupsen/logrus"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/chaos/internal/ledger"
	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/source/kafka"
	"github.com/vlab-research/burrow/stage"
)

// attempts is how often a message is tried; more than any Work refuses.
const attempts = 10

var errRefused = errors.New("refused for now")

// Run consumes until SIGTERM and keeps the ledger.
func Run(j Job) (err error) {
	book, err := ledger.Create(j.Ledger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, book.Close()) }()
	log := logrus.New()
	log.SetFormatter(&logrus.TextFormatter{FullTimestamp: true, TimestampFormat: "15:04:05.000", DisableColors: true})
	if j.Debug {
		log.SetLevel(logrus.DebugLevel)
		kafka.LogSarama(log)
	}
	log.AddHook(&skips{book})
	p, err := build(j, book, log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var background sync.WaitGroup
	background.Go(func() { watchStalls(ctx, book) })
	defer func() { cancel(); background.Wait() }()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() { // ends with the process
		<-signals
		book.Write(ledger.Line{Kind: ledger.Stopping})
		cancel()
	}()
	err = p.Run(ctx)
	over := ledger.Line{Kind: ledger.Over}
	if err != nil {
		over.Offset = 1
	}
	book.Write(over)
	return err
}

func build(j Job, book *ledger.Writer, log logrus.FieldLogger) (*burrow.Pipeline, error) {
	strategy, ordering := Strategies()[j.Strategy], Orderings()
	if strategy == nil {
		return nil, fmt.Errorf("worker: no strategy %q", j.Strategy)
	}
	src, err := kafka.NewSource(j.Brokers, j.Group, []string{j.Topic}, kafka.WithLogger(log),
		kafka.WithSarama(func(c *sarama.Config) {
			c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{&joins{BalanceStrategy: strategy(), ledger: book}}
			c.Consumer.Group.Rebalance.Timeout = j.Rebalance
			c.Consumer.Group.Session.Timeout = j.Session
			c.Consumer.Group.Heartbeat.Interval = j.Session / 10
			c.Consumer.Group.InstanceId = j.Instance
			if j.Committed {
				c.Consumer.IsolationLevel = sarama.ReadCommitted
			}
			c.Metadata.RefreshFrequency = 5 * time.Second // how soon new partitions are found
		}))
	if err != nil {
		return nil, err
	}
	return burrow.New().
		From(&witness{Source: src, ledger: book}).
		WithOrdering(ordering[j.Ordering]).
		WithWorkers(j.Workers).
		WithMaxInFlight(j.Window).
		WithCommitInterval(j.Commit).
		WithDrainTimeout(j.Drain).
		WithLogger(log).
		Use(middleware.Retry(retry.Linear{Step: 20 * time.Millisecond}, attempts)).
		Stage(stage.Named("work", &handler{book})).
		Build()
}

// handler does what a message asks for, between two lines of the ledger.
type handler struct{ ledger *ledger.Writer }

func (h *handler) Process(ctx context.Context, msg stage.Message) (stage.Message, error) {
	d, ok := stage.Payload[*delivery](msg)
	if !ok {
		return nil, retry.Permanent(errors.New("worker: a message without its tenure"))
	}
	work, err := DecodeWork(msg.Value())
	if err != nil {
		return nil, retry.Permanent(err)
	}
	at := msg.Position()
	line := ledger.Line{
		Kind: ledger.Started, Partition: at.Partition, Tenure: d.tenure, Offset: at.Offset,
		Attempt: d.attempts.Add(1), Key: keyOf(msg),
	}
	h.ledger.Write(line)
	err = do(ctx, work, int(line.Attempt))
	line.Kind = ledger.Finished
	if err != nil {
		line.Kind = ledger.Failed
	}
	h.ledger.Write(line)
	return msg, err
}

func do(ctx context.Context, work Work, attempt int) error {
	if work.Deaf {
		ctx = context.WithoutCancel(ctx)
	}
	timer := time.NewTimer(work.Takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if attempt <= work.Refuses {
		return errRefused
	}
	return nil
}

// keyOf returns the number that is a message's key.
func keyOf(msg stage.Message) int32 {
	n, err := strconv.ParseInt(string(msg.Key()), 10, 32)
	if err != nil {
		return -1
	}
	return int32(n)
}
