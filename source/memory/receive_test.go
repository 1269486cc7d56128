package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/source/memory"
	"github.com/vlab-research/burrow/stage"
)

// byHand is a handler that gives its claims to whoever asks and returns at the end.
type byHand struct {
	claims chan source.Claim
	end    chan struct{}
}

func (h byHand) Serve(c source.Claim) { h.claims <- c; <-h.end }
func (h byHand) Assigned(int)         {}

// claimOf runs a source over one partition and returns its claim, to be received from by hand.
func claimOf(tb testing.TB, b *memory.Broker, opts ...memory.Option) source.Claim {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	h := byHand{claims: make(chan source.Claim), end: make(chan struct{})}
	done := make(chan error)
	go func() { done <- b.Source(group, []string{topic}, opts...).Run(ctx, h) }()
	tb.Cleanup(func() {
		cancel()
		close(h.end)
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
	return <-h.claims
}

func TestAPausedClaimDeliversOnlyWhatWasFetched(t *testing.T) {
	for name, c := range map[string]struct{ prefetch, stored, want int }{
		"nothing is fetched unless asked for": {prefetch: 0, stored: 10, want: 0},
		"as many as the option says":          {prefetch: 3, stored: 10, want: 3},
		"not what came after the pause":       {prefetch: 30, stored: 4, want: 4},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := broker(1, c.stored)
				claim := claimOf(t, b, memory.WithPrefetch(c.prefetch))
				claim.Pause()
				b.Produce(topic, stage.New(nil, nil))
				woken := make(chan struct{})
				close(woken)
				for i := range c.want {
					if msg, err := source.Next(claim, woken); err != nil || msg.Position().Offset != int64(i) {
						t.Fatalf("message %d while paused: %v, %v", i, msg, err)
					}
					claim.Pause() // doesn't fetch again
				}
				if _, err := source.Next(claim, woken); !errors.Is(err, source.ErrWoken) {
					t.Fatalf("Receive of a paused claim: %v, want ErrWoken", err)
				}
				claim.Resume()
				if msg, err := source.Next(claim, woken); err != nil || msg.Position().Offset != int64(c.want) {
					t.Fatalf("after Resume: %v, %v", msg, err)
				}
			})
		})
	}
}

func TestResumeAndProduceEndTheWait(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := broker(1, 1)
		claim := claimOf(t, b)
		claim.Pause()
		got := make(chan stage.Message)
		receive := func() {
			msg, _ := source.Next(claim, nil)
			got <- msg
		}
		go receive()
		synctest.Wait()
		claim.Resume()
		if (<-got).Position().Offset != 0 {
			t.Error("Resume didn't let the first message through")
		}
		go receive()
		synctest.Wait()
		b.ProduceTo(topic, 0, stage.New(nil, nil))
		if (<-got).Position().Offset != 1 {
			t.Error("Produce didn't end the wait")
		}
	})
}

func TestTrimmedMessagesAreNotDelivered(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := broker(1, 10)
		claim := claimOf(t, b)
		if _, err := source.Next(claim, nil); err != nil {
			t.Fatal(err)
		}
		b.Trim(topic, 0, 7)
		if msg, err := source.Next(claim, nil); err != nil || msg.Position().Offset != 7 {
			t.Errorf("after Trim: %v, %v, want offset 7", msg, err)
		}
		if n := len(b.Messages(topic, 0)); n != 3 || b.EndOffset(topic, 0) != 10 {
			t.Errorf("%d messages up to %d, want 3 up to 10", n, b.EndOffset(topic, 0))
		}
		b.Trim(topic, 0, 10)
		if other := start(t, b, &handler{}); other.Health() != nil || b.EndOffset(topic, 0) != 10 {
			t.Error("an empty log forgot its end")
		}
	})
}

func BenchmarkReceive(b *testing.B) {
	const batch = 10_000
	broker := memory.NewBroker()
	broker.CreateTopic(topic, 1)
	msgs := make([]stage.Message, batch)
	for i := range msgs {
		msgs[i] = stage.New([]byte("key"), []byte("value"))
	}
	claim := claimOf(b, broker)
	wake := make(chan struct{})
	b.ReportAllocs()
	i := 0
	into := make([]source.Delivery, 1)
	for b.Loop() {
		if i%batch == 0 {
			b.StopTimer()
			broker.Trim(topic, 0, int64(i))
			broker.ProduceTo(topic, 0, msgs...)
			b.StartTimer()
		}
		i++
		if _, err := claim.Receive(into, wake); err != nil {
			b.Fatal(err)
		}
	}
}

func TestReceiveOfAReadyMessageDoesNotAllocate(t *testing.T) {
	claim := claimOf(t, broker(1, 200))
	into := make([]source.Delivery, 1)
	if n := testing.AllocsPerRun(100, func() { _, _ = claim.Receive(into, nil) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
