// Package world is what a chaos run happens in: three brokers behind proxies, a
// producer, a fleet of worker processes, and what disturbs them.
package world

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vlab-research/burrow/internal/kraft"
)

const brokers = 3

// Cluster is a real Kafka whose brokers clients reach through a proxy each. Its own
// clients go past the proxies.
type Cluster struct {
	kafka   *kraft.Cluster
	proxies []*proxy
	direct  map[string]string // by the address that is advertised
	client  *kgo.Client
	admin   *kadm.Client
}

// StartCluster starts brokers and proxies.
func StartCluster(ctx context.Context) (*Cluster, error) {
	c := &Cluster{direct: make(map[string]string)}
	advertised, err := freeAddresses(brokers)
	if err != nil {
		return nil, err
	}
	if c.kafka, err = kraft.Start(ctx, kraft.Options{
		Brokers: brokers, Advertised: advertised, Properties: properties(),
	}); err != nil {
		return nil, err
	}
	zerolog.SetGlobalLevel(zerolog.Disabled) // some toxics have a logger of their own
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	for i, addr := range advertised {
		c.direct[addr] = c.kafka.Addrs()[i]
		p := &proxy{server: server, name: fmt.Sprintf("broker-%d", i+1), listen: addr, upstream: c.direct[addr]}
		if err := p.start(); err != nil {
			c.Close()
			return nil, err
		}
		c.proxies = append(c.proxies, p)
	}
	if c.client, err = c.dial(); err != nil {
		c.Close()
		return nil, err
	}
	c.admin = kadm.NewClient(c.client)
	return c, nil
}

// properties have the brokers look soon after what they do in the background.
func properties() map[string]string {
	return map[string]string{
		"log.retention.check.interval.ms":                             "1000",
		"transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
	}
}

// dial returns a client that goes past the proxies.
func (c *Cluster) dial(opts ...kgo.Opt) (*kgo.Client, error) {
	dialer := net.Dialer{Timeout: 2 * time.Second}
	return kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(c.kafka.Addrs()...), kgo.MetadataMaxAge(5 * time.Second), kgo.MetadataMinAge(250 * time.Millisecond),
		kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
			if to, ok := c.direct[addr]; ok {
				addr = to
			}
			return dialer.DialContext(ctx, network, addr)
		}),
	}, opts...)...)
}

// Addrs are the proxies.
func (c *Cluster) Addrs() []string {
	addrs := make([]string, len(c.proxies))
	for i, p := range c.proxies {
		addrs[i] = p.listen
	}
	return addrs
}

// Close ends all of it.
func (c *Cluster) Close() {
	if c.client != nil {
		c.client.Close()
	}
	for _, p := range c.proxies {
		p.stop()
	}
	_ = c.kafka.Close()
}

// restart starts a killed broker and waits until every partition has all its replicas again.
func (c *Cluster) restart(ctx context.Context, i int) error {
	if err := c.kafka.Restart(ctx, i); err != nil {
		return err
	}
	return c.awaitReplicas(ctx)
}

func (c *Cluster) awaitReplicas(ctx context.Context) error {
	for {
		missing := c.missingReplicas(ctx)
		if missing == "" {
			return nil
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return fmt.Errorf("waiting for the replicas of %s: %w", missing, err)
		}
	}
}

// missingReplicas names a partition that has not all of its replicas.
func (c *Cluster) missingReplicas(ctx context.Context) (missing string) {
	m, err := c.admin.Metadata(ctx)
	if err != nil {
		return err.Error()
	}
	m.Topics.EachPartition(func(p kadm.PartitionDetail) {
		if p.Leader < 0 || len(p.ISR) < brokers {
			missing = fmt.Sprintf("%s/%d, led by %d, in sync %v", p.Topic, p.Partition, p.Leader, p.ISR)
		}
	})
	return missing
}

// lead has other brokers lead the partitions of a topic: the replicas stay, their order turns.
func (c *Cluster) lead(ctx context.Context, topic string) error {
	m, err := c.admin.Metadata(ctx, topic)
	if err != nil {
		return err
	}
	var assign kadm.AlterPartitionAssignmentsReq
	var all kadm.TopicsSet
	m.Topics.EachPartition(func(p kadm.PartitionDetail) {
		if len(p.Replicas) > 1 {
			assign.Assign(topic, p.Partition, append(p.Replicas[1:len(p.Replicas):len(p.Replicas)], p.Replicas[0]))
			all.Add(topic, p.Partition)
		}
	})
	answers, err := c.admin.AlterPartitionAssignments(ctx, assign)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		return fmt.Errorf("turning the replicas of %s: %w", topic, err)
	}
	if _, err := c.admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, all); err != nil {
		return fmt.Errorf("electing leaders of %s: %w", topic, err)
	}
	return nil
}

// coordinator returns which broker coordinates the group, or any when that isn't known.
func (c *Cluster) coordinator(ctx context.Context, group string) int {
	for _, f := range c.admin.FindGroupCoordinators(ctx, group) {
		if f.Err == nil && f.NodeID > 0 {
			return int(f.NodeID) - 1
		}
	}
	return 0
}

// freeAddresses returns addresses below the range of outgoing connections, so that
// nobody takes them while a proxy is down.
func freeAddresses(n int) ([]string, error) {
	const lowest, highest = 12_000, 15_000
	var free []string
	for range 1000 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(lowest+rand.IntN(highest-lowest)))
		if l, err := net.Listen("tcp", addr); err == nil { //nolint:noctx // binding the loopback does not block
			_ = l.Close()
			if free = append(free, addr); len(free) == n {
				return free, nil
			}
		}
	}
	return nil, fmt.Errorf("found no %d free ports between %d and %d", n, lowest, highest)
}

// pause waits for d or for the end of ctx, whose cause it returns.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
