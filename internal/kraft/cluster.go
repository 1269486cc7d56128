package kraft

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// StopTimeout is how long [Cluster.Stop] waits for a broker to end on its own.
const StopTimeout = 30 * time.Second

// startAttempts bounds how often Start tries other ports when a process beside
// it was quicker to bind one.
const startAttempts = 3

// Options say what to start. The zero value is one broker without security.
type Options struct {
	// Brokers is how many brokers to start, 1 or 3. The default is 1. Each is also a
	// controller, so three survive the loss of one.
	Brokers int
	// Protocol is what the listener for clients speaks: "PLAINTEXT" (default),
	// "SASL_PLAINTEXT", "SSL" or "SASL_SSL". The brokers among themselves, and
	// [Cluster.Admin], always use a plain listener of their own.
	Protocol string
	// Users are SCRAM-SHA-256 credentials to create, password by name. With any, the
	// listener for clients accepts that mechanism.
	Users map[string]string
	// Properties are added to every broker's server.properties and replace what is
	// there. "listener.name.client." is the prefix for the clients' listener alone.
	Properties map[string]string
	// Advertised are the addresses that clients are told, one for each broker, such as
	// those of proxies in front of them. The default is where the brokers listen.
	Advertised []string
	// JVM are more arguments for the brokers' Java, such as "-Xmx1g". The default heap is 512 MB.
	JVM []string
	// Dir is where data and logs are kept. The default is a
	// temporary folder, which Close removes; any other must be empty and stays.
	Dir string
}

// Cluster is a running Kafka. Its methods are safe for concurrent use as long as
// no two of Kill, Stop and Restart work on the same broker and Close is the last.
type Cluster struct {
	brokers []*broker
	kafka   *installation
	dir     string
	keepDir bool
}

// Start starts a cluster and returns when every broker answers, knows all others
// and coordinates groups. It fetches Kafka if this machine doesn't have it yet.
// ctx bounds the start, not the cluster's life, which ends with Close.
//
// An error names what is missing (Java, Maven) or ends with what the broker's log says.
func Start(ctx context.Context, opts Options) (*Cluster, error) {
	if opts.Brokers == 0 {
		opts.Brokers = 1
	}
	if opts.Brokers != 1 && opts.Brokers != 3 {
		return nil, fmt.Errorf("kraft: Options.Brokers is %d, only 1 and 3 are possible", opts.Brokers)
	}
	if n := len(opts.Advertised); n != 0 && n != opts.Brokers {
		return nil, fmt.Errorf("kraft: Options.Advertised has %d addresses for %d brokers", n, opts.Brokers)
	}
	kafka, err := install(ctx)
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		cluster, err := start(ctx, kafka, opts)
		if !errors.Is(err, syscall.EADDRINUSE) || attempt == startAttempts {
			return cluster, err
		}
	}
}

func start(ctx context.Context, kafka *installation, opts Options) (*Cluster, error) {
	c := &Cluster{kafka: kafka, dir: opts.Dir, keepDir: opts.Dir != ""}
	if err := c.lay(opts); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	id := newClusterID()
	err := c.atOnce(func(b *broker) error {
		if err := b.format(ctx, id, opts.Users); err != nil {
			return err
		}
		return b.start()
	})
	if err == nil {
		err = c.atOnce(func(b *broker) error { return b.awaitReady(ctx, len(c.brokers)) })
	}
	if err == nil {
		err = c.awaitCoordinator(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// lay makes the folders, chooses the ports and writes the configuration.
func (c *Cluster) lay(opts Options) error {
	if c.dir == "" {
		dir, err := os.MkdirTemp("", "burrow-kraft-")
		if err != nil {
			return fmt.Errorf("kraft: %w", err)
		}
		c.dir = dir
	}
	ports, err := freePorts(3 * opts.Brokers)
	if err != nil {
		return err
	}
	for i := range opts.Brokers {
		c.brokers = append(c.brokers, &broker{
			id: i + 1, dir: filepath.Join(c.dir, fmt.Sprintf("broker-%d", i+1)), kafka: c.kafka, jvm: opts.JVM,
			client: address(ports[3*i]), internal: address(ports[3*i+1]), controller: address(ports[3*i+2]),
		})
	}
	for i, b := range c.brokers {
		b.advertised = b.client
		if len(opts.Advertised) > 0 {
			b.advertised = opts.Advertised[i]
		}
	}
	return c.atOnce(func(b *broker) error { return b.configure(c.brokers, opts) })
}

// Addrs returns where the brokers listen for clients, host:port, also those that
// are stopped. They never change.
func (c *Cluster) Addrs() []string {
	return each(c.brokers, func(b *broker) string { return b.client })
}

// LogFile returns the path of a broker's log.
func (c *Cluster) LogFile(i int) string { return c.brokers[i].logFile() }

// Kill ends broker i as kill -9 does and returns when it is gone. Killing one that
// doesn't run is harmless.
func (c *Cluster) Kill(i int) { c.brokers[i].proc.kill() }

// Stop asks broker i to end and waits for it, for at most [StopTimeout]; then it
// kills it and returns an error.
func (c *Cluster) Stop(i int) error { return c.brokers[i].proc.terminate(StopTimeout) }

// Restart starts broker i again, with its ports and its data, and returns when it
// answers and belongs to the cluster. One that still runs is killed first. If most of
// three brokers are down it waits for them until ctx ends.
func (c *Cluster) Restart(ctx context.Context, i int) error {
	c.Kill(i)
	if err := c.brokers[i].start(); err != nil {
		return err
	}
	return c.brokers[i].awaitReady(ctx, 1)
}

// Close kills the brokers and removes the temporary folder.
func (c *Cluster) Close() error {
	for i := range c.brokers {
		c.Kill(i)
	}
	if c.keepDir || c.dir == "" {
		return nil
	}
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("kraft: %w", err)
	}
	return nil
}

// atOnce runs f for all brokers at once and joins the errors.
func (c *Cluster) atOnce(f func(*broker) error) error {
	errs := make([]error, len(c.brokers))
	var wg sync.WaitGroup
	for i, b := range c.brokers {
		wg.Go(func() { errs[i] = f(b) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (c *Cluster) internalAddrs() []string {
	return each(c.brokers, func(b *broker) string { return b.internal })
}

// newClusterID returns 16 random bytes as Kafka writes them.
func newClusterID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[0] &= 0x7f           // StorageTool would take a leading '-' for an option
	return base64.RawURLEncoding.EncodeToString(id[:])
}

func each(brokers []*broker, describe func(*broker) string) []string {
	parts := make([]string, len(brokers))
	for i, b := range brokers {
		parts[i] = describe(b)
	}
	return parts
}
