package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/stage"
)

// cluster is the Kafka of this run, seen from outside the consumer: by another
// client library, so that the books are not kept by what they check.
type cluster struct {
	addrs                      []string
	orders, deadLetters, group string
	session                    time.Duration // the shortest session timeout that it allows

	embedded *kfake.Cluster
	client   *kgo.Client
	admin    *kadm.Client
}

// openCluster starts an embedded broker unless there are brokers, and creates the topics.
func openCluster(ctx context.Context, brokers []string) (*cluster, error) {
	id := rand.Text()[:8]
	c := &cluster{
		addrs: brokers, orders: "orders-" + id, deadLetters: "orders-" + id + ".dlq", group: "billing-" + id,
		session: 6 * time.Second,
	}
	if len(brokers) == 0 {
		c.session = 2 * time.Second
		embedded, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(c.session))
		if err != nil {
			return nil, fmt.Errorf("the embedded broker: %w", err)
		}
		c.embedded, c.addrs = embedded, embedded.ListenAddrs()
		fmt.Println("an embedded Kafka listens on", c.addrs[0])
	}
	if err := c.connect(ctx); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *cluster) connect(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if c.client, err = kgo.NewClient(kgo.SeedBrokers(c.addrs...)); err != nil {
		return err
	}
	if err := c.client.Ping(ctx); err != nil {
		return fmt.Errorf("no Kafka answers at %v: %w", c.addrs, err)
	}
	c.admin = kadm.NewClient(c.client)
	topics, err := c.admin.CreateTopics(ctx, partitions, -1, nil, c.orders, c.deadLetters)
	if err := errors.Join(err, topics.Error()); err != nil {
		return fmt.Errorf("creating topics: %w", err)
	}
	return nil
}

func (c *cluster) close() {
	if c.client != nil {
		c.client.Close()
	}
	if c.embedded != nil {
		c.embedded.Close()
	}
}

// produce stores the orders, those of a customer in one partition, and notes where.
func (c *cluster) produce(ctx context.Context, orders []*produced) error {
	records := make([]*kgo.Record, len(orders))
	for i, o := range orders {
		records[i] = &kgo.Record{Topic: c.orders, Key: []byte(o.Customer), Value: o.value}
	}
	if err := c.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("producing the orders: %w", err)
	}
	for i, r := range records {
		orders[i].at = stage.Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}
	}
	return nil
}

// offsets are the end of each partition of orders, and what the group has committed there.
type offsets struct{ end, committed [partitions]int64 }

func (c *cluster) offsets(ctx context.Context) (offsets, error) {
	var o offsets
	ends, err := c.admin.ListEndOffsets(ctx, c.orders)
	if err := errors.Join(err, ends.Error()); err != nil {
		return o, fmt.Errorf("reading the end offsets: %w", err)
	}
	ends.Each(func(l kadm.ListedOffset) { o.end[l.Partition] = l.Offset })
	commits, err := c.admin.FetchOffsets(ctx, c.group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return o, nil // nobody has joined it yet
	}
	if err := errors.Join(err, commits.Error()); err != nil {
		return o, fmt.Errorf("reading the committed offsets: %w", err)
	}
	commits.Each(func(r kadm.OffsetResponse) { o.committed[r.Partition] = max(r.At, 0) })
	return o, nil
}

// letters reads the dead letters: how many there are for each position in orders.
func (c *cluster) letters(ctx context.Context) (map[stage.Position]int, error) {
	ends, err := c.admin.ListEndOffsets(ctx, c.deadLetters)
	if err := errors.Join(err, ends.Error()); err != nil {
		return nil, fmt.Errorf("reading the dead letters: %w", err)
	}
	left := int64(0)
	ends.Each(func(l kadm.ListedOffset) { left += l.Offset })
	c.client.AddConsumeTopics(c.deadLetters)
	counts := make(map[stage.Position]int)
	for left > 0 {
		fetches := c.client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("reading the dead letters: %w", err)
		}
		for r := range fetches.RecordsAll() {
			letter, err := middleware.ParseDeadLetter(headersOf(r))
			if err != nil {
				return nil, err
			}
			counts[letter.Position]++
			left--
		}
	}
	return counts, nil
}

func headersOf(r *kgo.Record) stage.Headers {
	var headers stage.Headers
	for _, h := range r.Headers {
		headers = append(headers, stage.Header{Key: h.Key, Value: h.Value})
	}
	return headers
}
