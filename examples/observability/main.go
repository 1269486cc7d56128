// Observability shows spans and metrics: those that middleware makes of each message,
// and those that the engine makes of the windows and commits. The metrics are scraped
// as Prometheus would, the spans printed.
//
//	go run ./examples/observability
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/source/memory"
	"github.com/vlab-research/burrow/stage"
)

const messages = 500

// shown returns the metrics that this prints; there are more.
func shown() []string {
	return []string{
		"messaging_client_consumed_messages_total", "messaging_process_duration_seconds_count",
		"burrow_messages_in_flight", "burrow_messages_parked", "burrow_messages_repeats", "burrow_window_used",
		"burrow_lag_messages", "burrow_lag_time", "burrow_messages_oldest_unresolved_age", "burrow_commit_duration_seconds_count",
	}
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	tele, err := newTelemetry()
	if err != nil {
		return err
	}
	broker := newBroker()
	p, err := burrow.New().
		From(broker.Source("billing", []string{"orders"})).
		WithCommitInterval(100*time.Millisecond).
		WithMeterProvider(tele.meters). // what the engine measures
		Use(
			middleware.Tracing(middleware.TracerProvider(tele.tracers), middleware.ConsumerGroup("billing")),
			middleware.Metrics(middleware.MeterProvider(tele.meters), middleware.ConsumerGroup("billing")),
			middleware.DeadLetter(broker, "orders.dlq"),
			middleware.Retry(retry.Linear{Step: 10 * time.Millisecond}, 3),
		).
		Stage(stage.Named("save", stage.Handle(new(shop).save))).
		Build()
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	result := make(chan error, 1)
	go func() { result <- p.Run(ctx) }()
	<-time.After(100 * time.Millisecond) // about half-way
	err = errors.Join(tele.show(ctx), broker.WaitConsumed(ctx, "billing", "orders"))
	stop()
	return errors.Join(err, <-result, tele.tracers.Shutdown(context.Background()), tele.meters.Shutdown(context.Background()))
}

// newBroker holds orders, of which one was produced inside of a trace.
func newBroker() *memory.Broker {
	broker := memory.NewBroker()
	broker.CreateTopic("orders", 2)
	broker.CreateTopic("orders.dlq", 1)
	for i := range messages {
		var opts []stage.Option
		if i == 7 {
			opts = append(opts, stage.Headed("traceparent", []byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")))
		}
		broker.Produce("orders", stage.New(nil, fmt.Appendf(nil, "order %d", i), opts...))
	}
	return broker
}

// shop refuses order 7 once, and order 13 always.
type shop struct{ refused atomic.Bool }

func (s *shop) save(_ context.Context, order []byte) error {
	<-time.After(5 * time.Millisecond) // slow work
	switch string(order) {
	case "order 7":
		if !s.refused.Swap(true) {
			return errors.New("the database is busy")
		}
	case "order 13":
		return errors.New("the database refuses it")
	}
	return nil
}

// show serves the metrics, scrapes them once and prints those of burrow.
func (t *telemetry) show(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{}), ReadHeaderTimeout: time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	scrapeErr := scrape(ctx, "http://"+listener.Addr().String()+"/metrics")
	closeErr := server.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return errors.Join(scrapeErr, closeErr, err)
	}
	return errors.Join(scrapeErr, closeErr)
}

func scrape(ctx context.Context, url string) error {
	fmt.Println("scraped from", url)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	printed := 0
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		line := lines.Text()
		if slices.ContainsFunc(shown(), func(prefix string) bool { return strings.HasPrefix(line, prefix) }) {
			fmt.Println(" ", line)
			printed++
		}
	}
	if printed < len(shown()) {
		return fmt.Errorf("only %d of the metrics are there", printed)
	}
	return lines.Err()
}
