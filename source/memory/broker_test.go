package memory_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

func TestMessagesOfOneKeyShareAPartition(t *testing.T) {
	t.Parallel()
	b := broker(4, 0)
	positions := b.Produce(topic, stage.New([]byte("a"), nil), stage.New(nil, nil), stage.New([]byte("a"), nil),
		stage.New(nil, nil), stage.New([]byte{}, nil), stage.New(nil, nil), stage.New([]byte{}, nil))
	if positions[0].Partition != positions[2].Partition || positions[4].Partition != positions[6].Partition {
		t.Errorf("one key is in two partitions: %v", positions)
	}
	for turn, i := range []int{1, 3, 5} {
		if positions[i].Partition != int32(turn) {
			t.Errorf("the message without a key number %d is in partition %d", turn, positions[i].Partition)
		}
	}
}

func TestTheBrokerKeepsItsOwnBytes(t *testing.T) {
	t.Parallel()
	b := broker(1, 0)
	value := []byte("before")
	b.Produce(topic, stage.New(nil, value, stage.Headed("h", value), stage.Carrying("payload")))
	copy(value, "after!")
	msg := b.Messages(topic, 0)[0]
	header, _ := msg.Headers().Get("h")
	if string(msg.Value()) != "before" || string(header) != "before" {
		t.Errorf("the producer changed a stored message to %q, header %q", msg.Value(), header)
	}
	if _, ok := stage.Payload[string](msg); ok {
		t.Error("a payload is stored")
	}
	if msg.Timestamp().IsZero() {
		t.Error("a message has no timestamp")
	}
}

func TestPublishStoresADeadLetter(t *testing.T) {
	t.Parallel()
	b := broker(1, 0)
	headers := stage.Headers{{Key: "reason", Value: []byte("bad")}}
	if err := b.Publish(t.Context(), topic, []byte("k"), []byte("v"), headers); err != nil {
		t.Fatal(err)
	}
	msg := b.Messages(topic, 0)[0]
	if reason, _ := msg.Headers().Get("reason"); string(msg.Key()) != "k" || string(msg.Value()) != "v" || string(reason) != "bad" {
		t.Errorf("stored %q: %q, reason %q", msg.Key(), msg.Value(), reason)
	}
	if b.Publish(t.Context(), "missing", nil, nil, nil) == nil {
		t.Error("publishing to a topic that doesn't exist is no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if b.Publish(ctx, topic, nil, nil, nil) == nil || b.EndOffset(topic, 0) != 1 {
		t.Error("publishing goes on after its context ended")
	}
}

func TestMistakesPanicWithAName(t *testing.T) {
	t.Parallel()
	b := broker(1, 0)
	for name, mistake := range map[string]func(){
		"an unknown topic":     func() { b.Produce("missing", stage.New(nil, nil)) },
		"an unknown partition": func() { b.Messages(topic, 1) },
		"a topic twice":        func() { b.CreateTopic(topic, 1) },
		"no partitions":        func() { b.CreateTopic("empty", 0) },
		"a stranger":           func() { b.Move(group, topic, 0, b.Source(group, []string{topic})) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			mistake()
		}()
	}
}

func TestRunRefusesWhatItCannotRun(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := broker(1, 0)
		if b.Source(group, nil).Run(t.Context(), &handler{}) == nil {
			t.Error("a source without topics runs")
		}
		m := start(t, b, &handler{})
		if m.Run(t.Context(), m.handler) == nil {
			t.Error("a source runs twice")
		}
	})
}

func TestGroupsDoNotKnowEachOther(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := broker(1, 3)
		m := start(t, b, &handler{})
		ctx, cancel := context.WithCancel(t.Context())
		other := &handler{offsets: make(map[source.Claim][]int64)}
		done := make(chan error)
		go func() { done <- b.Source("other", []string{topic}).Run(ctx, other) }()
		synctest.Wait()
		equal(t, "the other group reads", other.received(other.claims(0)[0]), []int64{0, 1, 2})
		if err := m.commit(m.claims(0)[0], 3); err != nil {
			t.Error(err)
		}
		if next, ok := b.Committed("other", topic, 0); next != 0 || !ok || len(b.Commits("other")) > 0 {
			t.Errorf("the other group has committed %d (%v)", next, ok)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
