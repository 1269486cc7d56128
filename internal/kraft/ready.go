package kraft

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	readyPoll    = 50 * time.Millisecond
	readyRequest = 2 * time.Second
)

// awaitReady returns when the broker itself answers that it and at least others-1
// more are in the cluster.
func (b *broker) awaitReady(ctx context.Context, others int) error {
	client, err := dial(b.internal)
	if err != nil {
		return err
	}
	defer client.Close()
	err = poll(ctx, b.proc.done, func(ctx context.Context) error {
		resp, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, client.SeedBrokers()[0])
		if err != nil {
			return err
		}
		return b.admitted(resp, others)
	})
	if err != nil {
		return b.failure(err)
	}
	return nil
}

func (b *broker) admitted(resp *kmsg.MetadataResponse, others int) error {
	self := false
	for _, member := range resp.Brokers {
		self = self || int(member.NodeID) == b.id
	}
	if !self || len(resp.Brokers) < others {
		return fmt.Errorf("it sees %d of %d brokers", len(resp.Brokers), others)
	}
	return nil
}

// awaitCoordinator makes Kafka create the topic of the groups' offsets, which the
// first group would otherwise wait for.
func (c *Cluster) awaitCoordinator(ctx context.Context) error {
	client, err := dial(c.internalAddrs()...)
	if err != nil {
		return err
	}
	defer client.Close()
	err = poll(ctx, nil, func(ctx context.Context) error {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.CoordinatorKeys = []string{"kraft-ready"}
		resp, err := req.RequestWith(ctx, client)
		if err != nil {
			return err
		}
		if len(resp.Coordinators) != 1 {
			return errors.New("no answer for the coordinator")
		}
		return kerr.ErrorForCode(resp.Coordinators[0].ErrorCode)
	})
	if err != nil {
		return c.brokers[0].failure(err)
	}
	return nil
}

// poll repeats ask until it succeeds, ctx ends or ended is closed.
func poll(ctx context.Context, ended <-chan struct{}, ask func(context.Context) error) error {
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for {
		err := askOnce(ctx, ask)
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return errors.New("the process ended")
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w (last: %w)", ctx.Err(), err)
		case <-ticker.C:
		}
	}
}

func askOnce(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyRequest)
	defer cancel()
	return ask(ctx)
}

func dial(addrs ...string) (*kgo.Client, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.RequestRetries(0))
	if err != nil {
		return nil, fmt.Errorf("kraft: %w", err)
	}
	return client, nil
}
