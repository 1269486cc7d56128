package pipeline_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/source/memory"
	"github.com/vlab-research/burrow/stage"
)

// A message that waited for its key is older than what was fetched since, so it goes first.
func TestAFollowerDoesNotWaitBehindTheWholeWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broker := memory.NewBroker()
		broker.CreateTopic("orders", 2)
		for p := range int32(2) {
			for i := range 300 {
				key := []byte{byte(i), byte(i >> 8)}
				if i < 20 { // ten pairs at the head
					key = []byte{'k', byte(i % 10)}
				}
				broker.ProduceTo("orders", p, stage.New(key, nil))
			}
		}
		var mu sync.Mutex
		latest := map[int32]time.Duration{} // when the last of the first twenty was begun
		began := time.Now()
		ctx, stop := context.WithCancel(t.Context())
		p, err := burrow.New().From(broker.Source("g", []string{"orders"})).WithWorkers(3).
			Stage(stage.Handle(func(_ context.Context, m burrow.Message) error {
				if at := m.Position(); at.Offset < 20 {
					mu.Lock()
					latest[at.Partition] = time.Since(began)
					mu.Unlock()
				}
				<-time.After(10 * time.Millisecond)
				return nil
			})).Build()
		if err != nil {
			t.Fatal(err)
		}
		go func() { defer stop(); _ = broker.WaitConsumed(ctx, "g", "orders") }()
		if err := p.Run(ctx); err != nil {
			t.Fatal(err)
		}
		// 40 messages of 10 ms by 3 workers are done in 140 ms, if the oldest go first.
		for partition, d := range latest {
			if d > 300*time.Millisecond {
				t.Errorf("partition %d: one of the first 20 messages was begun after %v, of 2 s in all", partition, d)
			}
		}
	})
}

// The commit waits for the oldest message, so keys take turns by the age of their messages.
func TestKeysTakeTurnsByTheAgeOfTheirMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broker := memory.NewBroker()
		broker.CreateTopic("orders", 1)
		for i := range 1000 {
			broker.Produce("orders", stage.New([]byte{byte(i % 50)}, nil))
		}
		var mu sync.Mutex
		var worst, newest int64
		ctx, stop := context.WithCancel(t.Context())
		p, err := burrow.New().From(broker.Source("g", []string{"orders"})).WithWorkers(10).
			Stage(stage.Handle(func(_ context.Context, m burrow.Message) error {
				at := m.Position().Offset
				mu.Lock()
				worst = max(worst, newest-at)
				newest = max(newest, at)
				mu.Unlock()
				<-time.After(10 * time.Millisecond)
				return nil
			})).Build()
		if err != nil {
			t.Fatal(err)
		}
		go func() { defer stop(); _ = broker.WaitConsumed(ctx, "g", "orders") }()
		if err := p.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if worst > 20 {
			t.Errorf("a message began %d messages after one that is younger", worst)
		}
	})
}
