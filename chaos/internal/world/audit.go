package world

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vlab-research/burrow/chaos/internal/judge"
)

// reading is how long it may take to read a topic.
const reading = time.Minute

// read returns what stands in the log of each partition, by a client that has nothing to
// do with the one under test. Without transactions it is all committed.
func (c *Cluster) read(ctx context.Context, topic string, transactions bool) (map[int32]judge.Log, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, reading, errors.New("it takes too long"))
	defer cancel()
	logs, err := c.bounds(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("reading the bounds of %s: %w", topic, err)
	}
	all := kgo.ReadUncommitted()
	if transactions {
		all = kgo.ReadCommitted()
	}
	if err := c.scan(ctx, topic, logs, all, func(l judge.Log, offset int64) { l.Committed[offset] = true }); err != nil {
		return nil, fmt.Errorf("reading %s: %w", topic, err)
	}
	if !transactions {
		return logs, nil
	}
	err = c.scan(ctx, topic, logs, kgo.ReadUncommitted(), func(l judge.Log, offset int64) {
		if !l.Committed[offset] {
			l.Aborted[offset] = true
		}
	})
	if err != nil {
		return nil, fmt.Errorf("reading what was aborted in %s: %w", topic, err)
	}
	return logs, nil
}

// bounds asks until it is answered: leaders move.
func (c *Cluster) bounds(ctx context.Context, topic string) (map[int32]judge.Log, error) {
	for {
		logs, err := c.askBounds(ctx, topic)
		if err == nil || pause(ctx, 200*time.Millisecond) != nil {
			return logs, err
		}
	}
}

func (c *Cluster) askBounds(ctx context.Context, topic string) (map[int32]judge.Log, error) {
	starts, err1 := c.admin.ListStartOffsets(ctx, topic)
	ends, err2 := c.admin.ListEndOffsets(ctx, topic)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if err := errors.Join(starts.Error(), ends.Error()); err != nil {
		return nil, err
	}
	logs := make(map[int32]judge.Log)
	ends.Each(func(end kadm.ListedOffset) {
		start, _ := starts.Lookup(topic, end.Partition)
		logs[end.Partition] = judge.Log{
			Start: start.Offset, End: end.Offset, Committed: make(map[int64]bool), Aborted: make(map[int64]bool),
		}
	})
	return logs, nil
}

// scan reads each log from its start to its end and tells of every message. Markers
// are read too, because the last offset may be one.
func (c *Cluster) scan(ctx context.Context, topic string, logs map[int32]judge.Log, level kgo.IsolationLevel, tell func(judge.Log, int64)) error {
	from := make(map[int32]kgo.Offset)
	for p, l := range logs {
		if l.Start < l.End {
			from[p] = kgo.NewOffset().At(l.Start)
		}
	}
	client, err := c.dial(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.FetchIsolationLevel(level), kgo.KeepControlRecords())
	if err != nil {
		return err
	}
	defer client.Close()
	for len(from) > 0 {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			log := logs[r.Partition]
			if r.Offset < log.End && !r.Attrs.IsControl() {
				tell(log, r.Offset)
			}
			if r.Offset >= log.End-1 {
				delete(from, r.Partition)
			}
		})
	}
	return nil
}
