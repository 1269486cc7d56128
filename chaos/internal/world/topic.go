package world

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The kinds of topics.
const (
	Plain        = "plain"
	Transactions = "transactions" // a third of them aborted; the workers read what is committed
	Compacted    = "compacted"    // the log has holes
	Deleted      = "deleted"      // the log's front is deleted, read or not
)

// holes is how long the compaction of a new topic may take to leave some.
const holes = time.Minute

func (r *round) topicConfig() map[string]string {
	config := map[string]string{"min.insync.replicas": "2"}
	switch r.Topic {
	case Compacted:
		config["cleanup.policy"] = "compact"
		config["segment.ms"] = "1500" // only closed segments are compacted
		config["min.cleanable.dirty.ratio"] = "0.01"
	case Deleted:
		config["segment.ms"] = "1500" // only whole segments go
		config["file.delete.delay.ms"] = "500"
	}
	return config
}

func (r *round) createTopic(ctx context.Context) error {
	config := make(map[string]*string)
	for key, value := range r.topicConfig() {
		config[key] = &value
	}
	if _, err := r.cluster.admin.CreateTopic(ctx, partitions, brokers, config, r.name); err != nil {
		return fmt.Errorf("creating %s: %w", r.name, err)
	}
	return r.cluster.awaitTopic(ctx, r.name)
}

// awaitTopic waits until every broker knows the topic: a worker that asks one that
// doesn't takes the topic for missing, and ends.
func (c *Cluster) awaitTopic(ctx context.Context, topic string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("the brokers don't know the topic"))
	defer cancel()
	request := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = &topic
	request.Topics = append(request.Topics, asked)
	for i := 0; i < brokers; {
		answer, err := c.client.Broker(i+1).Request(ctx, request)
		if err == nil && answer.(*kmsg.MetadataResponse).Topics[0].ErrorCode == 0 { //nolint:forcetypeassert // it is what was asked for
			i++
		} else if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// awaitHoles waits until the log of a compacted topic has holes for the group to read over.
func (r *round) awaitHoles(ctx context.Context) error {
	if r.Topic != Compacted {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, holes, errors.New("the log is not compacted"))
	defer cancel()
	for {
		logs, err := r.cluster.read(ctx, r.name, false)
		if err != nil {
			return err
		}
		missing := int64(0)
		for _, l := range logs {
			missing += l.End - int64(len(l.Committed))
		}
		if missing > 0 {
			r.Say("%d offsets are compacted away before the group starts", missing)
			return nil
		}
		if err := pause(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
}
