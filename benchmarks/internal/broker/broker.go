// Package broker is the Kafka that the arms consume from: a real one on this
// machine, an embedded fake, or any cluster.
package broker

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vlab-research/burrow/internal/kraft"
)

// Broker is a Kafka and the clients that fill it and look into it.
type Broker struct {
	addrs  []string
	name   string
	client *kgo.Client
	admin  *kadm.Client
	close  func() error
}

// Local starts a real Kafka on this machine. It needs Java 17, and Maven the first time.
func Local(ctx context.Context) (*Broker, error) {
	cluster, err := kraft.Start(ctx, kraft.Options{JVM: []string{"-Xmx1g"}})
	if err != nil {
		return nil, err
	}
	return connect(ctx, cluster.Addrs(), "Apache Kafka "+kraft.Version+", one broker on the same machine", cluster.Close)
}

// Fake starts kfake in this process.
func Fake(ctx context.Context) (*Broker, error) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		return nil, err
	}
	return connect(ctx, cluster.ListenAddrs(), "kfake, in the process that measures", func() error {
		cluster.Close()
		return nil
	})
}

// Remote uses a cluster that runs already.
func Remote(ctx context.Context, addrs []string) (*Broker, error) {
	return connect(ctx, addrs, "a cluster elsewhere", func() error { return nil })
}

func connect(ctx context.Context, addrs []string, name string, closeFunc func() error) (*Broker, error) {
	b := &Broker{addrs: addrs, name: name, close: closeFunc}
	client, err := b.newClient()
	if err != nil {
		return nil, errors.Join(err, closeFunc())
	}
	b.client, b.admin = client, kadm.NewClient(client)
	if err := client.Ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("no Kafka at %v: %w", addrs, err), b.Close())
	}
	return b, nil
}

// newClient connects, in silence.
func (b *Broker) newClient(opts ...kgo.Opt) (*kgo.Client, error) {
	silent := kgo.WithLogger(kgo.BasicLogger(io.Discard, kgo.LogLevelNone, nil))
	return kgo.NewClient(append(opts, kgo.SeedBrokers(b.addrs...), silent)...)
}

// Addrs returns where to connect.
func (b *Broker) Addrs() []string { return b.addrs }

// Name says what it is.
func (b *Broker) Name() string { return b.name }

// Close ends it.
func (b *Broker) Close() error {
	b.client.Close()
	return b.close()
}
