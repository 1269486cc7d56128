package hostile_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vlab-research/burrow/internal/kafkatest"
	"github.com/vlab-research/burrow/source/kafka"
	"github.com/vlab-research/burrow/stage"
)

// A topic of the same name is another log: an offset of the old one says nothing there.
func TestARecreatedTopicIsConsumedFromItsBeginning(t *testing.T) {
	t.Parallel()
	g := newGround(t, kafkatest.Brokers(t), 1)
	g.fill(t, 1, 100)
	r := g.start(t, nil)
	g.committed(t, 0, 100)
	if _, err := g.admin(t).DeleteTopic(t.Context(), g.topic); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Health says that the topic is gone", func() bool {
		err := r.Health() // which may be of the group before it is of the topic
		return err != nil && strings.Contains(err.Error(), "the cluster has no topic")
	})
	g.create(t, 1)
	g.produceEach(t, 1, 30)
	eventually(t, "the messages of the new topic", func() bool {
		_, repeated := g.counts()
		return repeated >= 30
	})
	g.committed(t, 0, 30)
	eventually(t, "Health", func() bool { return r.Health() == nil })
	r.stop(t)
	if !strings.Contains(g.told.text(), "level=error") {
		t.Error("nothing in the log at level error")
	}
}

// unhurried makes Sarama look again only when the new topic is long there.
var unhurried = kafka.WithSarama(func(c *sarama.Config) { c.Consumer.Retry.Backoff = 5 * time.Second })

// The new topic is there before anybody has noticed that the old one went, and is longer.
func TestATopicRecreatedUnnoticedIsConsumedFromItsBeginning(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]kafka.Option{"from the oldest": nil, "from the newest": {kafka.WithStartNewest()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const partitions, before, after = 6, 50, 100
			g := newGround(t, kafkatest.Brokers(t), partitions)
			r := g.start(t, nil, append(opts, unhurried)...)
			g.allCommitted(t, partitions, 0)
			g.fill(t, partitions, before)
			g.allCommitted(t, partitions, before)
			g.recreate(t, partitions, after)
			g.processedAgain(t, partitions, before, after)
			g.allCommitted(t, partitions, after)
			eventually(t, "Health", func() bool { return r.Health() == nil })
			r.stop(t)
			if text := g.told.text(); !strings.Contains(text, "was deleted and created again") {
				t.Error("the log doesn't say that the topic was recreated")
			}
		})
	}
}

// A commit that a member made before it noticed is of the old topic, and must not be
// taken for one of the new, not even by a process that has only seen the new one.
func TestACommitOfTheOldTopicIsNoneOfTheNew(t *testing.T) {
	t.Parallel()
	const partitions, before, after = 6, 50, 100
	g := newGround(t, kafkatest.Brokers(t), partitions)
	g.fill(t, partitions, before)
	first := g.start(t, nil)
	g.allCommitted(t, partitions, before)
	first.stop(t)
	old, err := g.admin(t).FetchOffsets(t.Context(), g.group)
	if err != nil {
		t.Fatal(err)
	}
	g.recreate(t, partitions, after)
	eventually(t, "the broker forgets", func() bool { return g.next(t, 0) == -1 })
	if err := g.admin(t).CommitAllOffsets(t.Context(), g.group, old.Offsets()); err != nil { // as one that goes on would
		t.Fatal(err)
	}
	second := g.start(t, nil)
	g.processedAgain(t, partitions, before, after)
	g.allCommitted(t, partitions, after)
	second.stop(t)
	if text := g.told.text(); !strings.Contains(text, "is of an earlier topic of that name") {
		t.Error("the log doesn't say that the offset is of another topic")
	}
}

// create makes the topic again. A leader may serve the old log a little longer, and take
// what is meant for the new one.
func (g *ground) create(t *testing.T, partitions int32) {
	t.Helper()
	admin := g.admin(t)
	eventually(t, "the topic again", func() bool {
		_, err := admin.CreateTopic(t.Context(), partitions, -1, nil, g.topic)
		return err == nil
	})
	eventually(t, "the new log", func() bool {
		ends, err := admin.ListEndOffsets(t.Context(), g.topic)
		if err != nil || ends.Error() != nil || len(ends[g.topic]) != int(partitions) {
			return false
		}
		for _, end := range ends[g.topic] {
			if end.Offset != 0 {
				return false
			}
		}
		return true
	})
}

// recreate deletes the topic, creates it again at once, and fills each partition.
func (g *ground) recreate(t *testing.T, partitions int32, n int) {
	t.Helper()
	if _, err := g.admin(t).DeleteTopic(t.Context(), g.topic); err != nil {
		t.Fatal(err)
	}
	g.create(t, partitions)
	records := make([]*kgo.Record, n*int(partitions))
	for i := range records {
		records[i] = &kgo.Record{Partition: int32(i) % partitions, Value: fmt.Append(nil, "new ", i)}
	}
	client := g.Client(t, kgo.DefaultProduceTopic(g.topic)) // which knows nothing of the old one
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for p, end := range g.EndOffsets(t, g.topic) {
		if end != int64(n) {
			t.Errorf("partition %d ends at %d, want %d", p, end, n)
		}
	}
}

func (g *ground) allCommitted(t *testing.T, partitions int32, next int64) {
	t.Helper()
	for p := range partitions {
		g.committed(t, p, next)
	}
}

// processedAgain waits until of each partition the first offsets were processed in the old
// log and in the new, and the others in the new.
func (g *ground) processedAgain(t *testing.T, partitions int32, before, after int64) {
	t.Helper()
	done := func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		for p := range partitions {
			for offset := range after {
				want := 1
				if offset < before {
					want = 2
				}
				if g.seen[stage.Position{Topic: g.topic, Partition: p, Offset: offset}] < want {
					return false
				}
			}
		}
		return true
	}
	eventually(t, "all messages of the new topic", done)
}
