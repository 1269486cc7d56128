//go:build unix

package process_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/IBM/sarama"
	"github.com/sirupsen/logrus"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/source/kafka"
	"github.com/vlab-research/burrow/stage"
)

// What a worker is told.
const (
	envWorker = "BURROW_WORKER" // the brokers
	envTopic  = "BURROW_WORKER_TOPIC"
	envGroup  = "BURROW_WORKER_GROUP"
	envLedger = "BURROW_WORKER_LEDGER"
	envWork   = "BURROW_WORKER_MS"         // how long a message takes
	envSlow   = "BURROW_WORKER_SLOW_AT"    // the offset of messages that take a minute
	envCommit = "BURROW_WORKER_COMMIT_MS"  // the commit interval
	envWindow = "BURROW_WORKER_WINDOW"     // bytes
	envDrain  = "BURROW_WORKER_DRAIN_SECS" // the drain timeout
)

// The worker's exit codes.
const (
	exitClean  = 0 // drained and committed
	exitCut    = 3 // a second signal cut the drain short; what was done is committed as far as it may be
	exitFailed = 1
)

// work is the whole life of a worker process.
func work() int {
	ledger, err := openLedger(os.Getenv(envLedger))
	if err != nil {
		return fail(err)
	}
	p, second, err := pipelineOf(ledger)
	if err != nil {
		return fail(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM)
	go obey(signals, stop, second)
	go report(p)
	err = p.Run(ctx)
	switch {
	case errors.Is(context.Cause(second.ctx), errSecond):
		_, _ = fmt.Fprintln(os.Stdout, "cut short:", err)
		return exitCut
	case err != nil:
		return fail(err)
	}
	return exitClean
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "worker:", err)
	return exitFailed
}

func report(p *burrow.Pipeline) {
	for range time.Tick(50 * time.Millisecond) {
		if s := p.Stats(); s.InFlight > 0 || s.Processed > 0 {
			_, _ = fmt.Fprintln(os.Stdout, "in flight", s.InFlight, "processed", s.Processed, "late", s.Late)
		}
	}
}

var errSecond = errors.New("a second SIGTERM")

// hurry ends what is in flight when a second signal comes.
type hurry struct {
	ctx context.Context
	end context.CancelCauseFunc
}

// obey ends the run at the first signal, and at the second one what is in flight.
func obey(signals <-chan os.Signal, stop func(), second hurry) {
	<-signals
	_, _ = fmt.Fprintln(os.Stdout, "draining")
	stop()
	<-signals
	second.end(errSecond)
}

// middleware lets a message go, as not done, when the second signal comes.
func (h hurry) middleware(next stage.Stage) stage.Stage {
	return stage.Func(func(ctx context.Context, msg stage.Message) (stage.Message, error) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(h.ctx, func() { cancel(errSecond) })()
		out, err := next.Process(ctx, msg)
		if err != nil && h.ctx.Err() != nil {
			return nil, stage.ErrReleased // not a failure: it comes again
		}
		return out, err
	})
}

func pipelineOf(ledger *ledgerFile) (*burrow.Pipeline, hurry, error) {
	log := logrus.New()
	log.SetLevel(logrus.InfoLevel)
	src, err := kafka.NewSource(strings.Split(os.Getenv(envWorker), ","), os.Getenv(envGroup), []string{os.Getenv(envTopic)},
		kafka.WithLogger(log), kafka.WithSarama(func(c *sarama.Config) {
			c.Consumer.Group.Heartbeat.Interval, c.Consumer.Group.Session.Timeout = beat, session
			c.Consumer.Group.Rebalance.Retry.Backoff = 100 * time.Millisecond
			c.Consumer.Fetch.Default = 256 << 10
		}))
	if err != nil {
		return nil, hurry{}, err
	}
	ctx, end := context.WithCancelCause(context.Background())
	second := hurry{ctx, end}
	p, err := burrow.New().From(src).WithLogger(log).WithWorkers(8).WithOrdering(burrow.Unordered).
		WithCommitInterval(time.Duration(setting(envCommit, int(commitInterval.Milliseconds()))) * time.Millisecond).WithMaxInFlightBytes(int64(setting(envWindow, 64<<20))).
		WithDrainTimeout(time.Duration(setting(envDrain, 20)) * time.Second).
		Use(second.middleware).
		Stage(stage.Named("work", stage.Func(func(ctx context.Context, m stage.Message) (stage.Message, error) {
			pos := m.Position()
			ledger.line("start", pos.Partition, pos.Offset)
			wait := time.Duration(setting(envWork, 5)) * time.Millisecond
			if pos.Offset == int64(setting(envSlow, -1)) {
				wait = time.Minute
			}
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			ledger.line("end", pos.Partition, pos.Offset)
			return m, nil
		}))).Build()
	return p, second, err
}
