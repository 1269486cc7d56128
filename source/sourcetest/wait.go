package sourcetest

import (
	"testing"
	"time"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// eventually waits until the condition holds, and fails the test if it doesn't.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-deadline.C:
			t.Fatalf("waited %v for %s", Patience, what)
		}
	}
}

// await waits until the channel is closed or gives a value.
func await[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	select {
	case v := <-c:
		return v
	case <-deadline.C:
		t.Fatalf("waited %v for %s", Patience, what)
		panic("unreachable")
	}
}

// receive takes the next message, for a test that has the claim in its hands.
func receive(t *testing.T, claim source.Claim, wake <-chan struct{}) (stage.Message, error) {
	t.Helper()
	var into [1]source.Delivery
	_, err := receiveInto(t, claim, into[:], wake)
	return into[0].Message, err
}

// receiveInto calls Receive.
func receiveInto(t *testing.T, claim source.Claim, into []source.Delivery, wake <-chan struct{}) (int, error) {
	t.Helper()
	type result struct {
		n   int
		err error
	}
	results := make(chan result, 1)
	go func() {
		n, err := claim.Receive(into, wake)
		results <- result{n, err}
	}()
	got := await(t, "Receive to return", results)
	return got.n, got.err
}

// happened returns whether the channel is closed.
func happened(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// closedChannel is a wake that always wakes.
func closedChannel() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// wantOffsets checks that the messages are exactly these, in this order.
func wantOffsets(t *testing.T, msgs []stage.Message, want ...int64) {
	t.Helper()
	got := make([]int64, len(msgs))
	same := len(msgs) == len(want)
	for i, msg := range msgs {
		got[i] = msg.Position().Offset
		same = same && got[i] == want[i]
	}
	if !same {
		t.Errorf("received the offsets %v, want %v", got, want)
	}
}

// upTo returns the offsets from 0 up to, not including, end.
func upTo(end int64) []int64 {
	offsets := make([]int64, end)
	for i := range offsets {
		offsets[i] = int64(i)
	}
	return offsets
}
