// Quickstart consumes 10 000 orders from Kafka, 100 at a time, and proves that none
// was lost. It needs Go and nothing else: the broker is embedded.
//
//	go run ./examples/quickstart
//	go run ./examples/quickstart -crash                    kill -9 half-way, and start again
//	go run ./examples/quickstart -brokers localhost:9092   on a real cluster
//
// Start reading at consume.go, which is what a consumer of your own would look
// like. The rest produces the orders, shows the progress and does the books.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const partitions = 8

// options are the command line.
type options struct {
	orders  int
	workers int
	seed    uint64
	brokers []string
	crash   bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := start(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// start is the program, or the consumer that a crashing one starts.
func start(ctx context.Context, args []string) error {
	if text := os.Getenv(jobVariable); text != "" {
		return consumeAsChild(ctx, text)
	}
	opts, err := parse(args)
	if err != nil {
		return err
	}
	return run(ctx, opts)
}

func parse(args []string) (options, error) {
	var opts options
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.IntVar(&opts.orders, "n", 10_000, "how many orders")
	flags.IntVar(&opts.workers, "workers", 100, "how many orders are worked on at once")
	flags.Uint64Var(&opts.seed, "seed", 1, "another number makes other orders")
	flags.BoolVar(&opts.crash, "crash", false, "kill -9 the consumer half-way and start another")
	brokers := flags.String("brokers", "", "a Kafka cluster, as host:port,...; the default is an embedded broker")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	if opts.orders < 1 || opts.workers < 1 {
		return opts, errors.New("-n and -workers must be at least 1")
	}
	if *brokers != "" {
		opts.brokers = strings.Split(*brokers, ",")
	}
	return opts, nil
}

// early names what ended the program before it consumed.
func early(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("interrupted before the first order was consumed")
	}
	return err
}

func run(ctx context.Context, opts options) (err error) {
	cluster, err := openCluster(ctx, opts.brokers)
	if err != nil {
		return early(ctx, err)
	}
	defer cluster.close()
	dir, err := os.MkdirTemp("", "burrow-quickstart-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	orders := makeOrders(opts.orders, opts.seed)
	if err := cluster.produce(ctx, orders); err != nil {
		return early(ctx, err)
	}
	fmt.Printf("%s orders are in topic %s, %d partitions; the consumer group is %s\n",
		thousands(len(orders)), cluster.orders, partitions, cluster.group)
	j := job{
		Brokers: cluster.addrs, Group: cluster.group, Orders: cluster.orders, DeadLetters: cluster.deadLetters,
		Ledger: filepath.Join(dir, "ledger"), Workers: opts.workers, Session: cluster.session,
	}
	began := time.Now()
	follower := newFollower(cluster, j.Ledger, len(orders))
	var crashed *crash
	if opts.crash {
		crashed, err = consumeAndCrash(ctx, j, follower)
	} else {
		err = consumeHere(ctx, j, follower)
	}
	if err != nil {
		return err
	}
	return report(ctx, cluster, j, orders, crashed, time.Since(began))
}

// consumeHere runs the consumer in this process until everything is committed.
func consumeHere(ctx context.Context, j job, f *follower) error {
	fmt.Printf("%d workers decode, validate and save them, 1–100 ms each\n", j.Workers)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	var consumeErr error
	go func() {
		defer close(ended)
		consumeErr = consume(ctx, j, nil)
	}()
	followErr := f.follow(ctx, ended, f.finished)
	cancel()
	<-ended
	return errors.Join(followErr, consumeErr)
}
