package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/source/memory"
)

var errNetwork = errors.New("the network is down")

// commit commits for one claim.
func (m *member) commit(c source.Claim, next int64) error {
	return m.Commit(context.Background(), []source.Commit{{Claim: c, Next: next}})[0]
}

func committed(t *testing.T, b *memory.Broker, partition int32, want int64) {
	t.Helper()
	if next, ok := b.Committed(group, topic, partition); !ok || next != want {
		t.Errorf("partition %d: committed %d (%v), want %d", partition, next, ok, want)
	}
}

func TestARefusedCommitIsNotStored(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := broker(1, 5)
		m := start(t, b, &handler{})
		b.BeforeCommit(group, func(_ context.Context, c memory.Commit) error {
			if c.Next == 3 {
				return errNetwork
			}
			return nil
		})
		claim := m.claims(0)[0]
		for next, want := range []error{1: nil, 3: errNetwork, 4: nil} {
			if err := m.commit(claim, int64(next)); next > 0 && !errors.Is(err, want) {
				t.Errorf("commit of %d: %v, want %v", next, err, want)
			}
			if next == 3 {
				committed(t, b, 0, 2)
			}
		}
		b.BeforeCommit(group, nil)
		if err := m.commit(claim, 3); err != nil {
			t.Error(err)
		}
	})
}

func TestACommitWithALostAnswerIsStored(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := broker(1, 5)
		m := start(t, b, &handler{})
		b.AfterCommit(group, func(_ context.Context, c memory.Commit) error {
			if !c.Stored {
				t.Error("the hook heard that the offset isn't stored")
			}
			return errNetwork
		})
		if err := m.commit(m.claims(0)[0], 3); !errors.Is(err, errNetwork) {
			t.Errorf("verdict %v, want what the hook said", err)
		}
		committed(t, b, 0, 3)
		log := b.Commits(group)
		if len(log) != 1 || !log[0].Stored || !errors.Is(log[0].Answer, errNetwork) || log[0].Next != 3 {
			t.Errorf("the broker remembers %+v", log)
		}
	})
}

func TestASlowCoordinatorTakesItsTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := broker(2, 5)
		m := start(t, b, &handler{})
		b.DelayCommits(group, time.Second)
		began := time.Now()
		commits := []source.Commit{{Claim: m.claims(0)[0], Next: 1}, {Claim: m.claims(1)[0], Next: 2}}
		if err := errors.Join(m.Commit(t.Context(), commits)...); err != nil || time.Since(began) != time.Second {
			t.Errorf("%v after %v, want nil after 1s for the whole request", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		for _, err := range m.Commit(ctx, commits) {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("verdict %v, want that the deadline passed", err)
			}
		}
		if log := b.Commits(group); len(log) != 4 || log[2].Stored || !log[1].At.Equal(began.Add(time.Second)) {
			t.Errorf("the broker remembers %+v", log)
		}
	})
}

func TestACommitForAnotherSourceIsDenied(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := broker(2, 0)
		one, two := start(t, b, &handler{}), start(t, b, &handler{})
		if err := two.commit(one.claims(0)[0], 1); !errors.Is(err, source.ErrDenied) {
			t.Errorf("verdict %v, want ErrDenied", err)
		}
		committed(t, b, 0, 0)
	})
}

func TestWaitConsumedEndsWithTheLastCommit(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := broker(2, 5)
		b.Skip(topic, 0, 3)
		m := start(t, b, &handler{})
		done := make(chan error, 1)
		go func() { done <- b.WaitConsumed(context.Background(), group, topic) }()
		for partition, next := range []int64{5, 4} {
			if err := m.commit(m.claims(int32(partition))[0], next); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		select {
		case err := <-done:
			t.Errorf("it ended before the last message was committed: %v", err)
		default:
		}
		if err := m.commit(m.claims(1)[0], 5); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		b.Produce(topic, b.Messages(topic, 0)...)
		if err := b.WaitConsumed(ctx, group, topic); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it returned %v, want ctx's error", err)
		}
	})
}

func TestResetMovesAGroupThatIsAway(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := broker(1, 5)
		b.Reset(group, topic, 0, 3)
		m := start(t, b, &handler{})
		equal(t, "received", m.received(m.claims(0)[0]), []int64{3, 4})
		defer func() {
			if recover() == nil {
				t.Error("Reset under a running member didn't panic")
			}
		}()
		b.Reset(group, topic, 0, 0)
	})
}
