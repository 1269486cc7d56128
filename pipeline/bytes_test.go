package pipeline

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/stage"
)

// sizedMessage counts for 1000 bytes.
func sizedMessage(offset int64) stage.Message {
	return stage.WithHeaders(
		stage.New(make([]byte, 100), make([]byte, 500), stage.At(stage.Position{Topic: "t", Offset: offset})),
		stage.Headers{{Key: "ten bytes.", Value: make([]byte, 190)}, {Key: "ten bytes.", Value: make([]byte, 190)}},
	)
}

// Pausing alone would bound a source that obeys at once. This one sends on.
func TestTheWindowIsBoundedInBytesThoughTheSourceSendsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, fit = 100, 10
		src, gate := newFakeSource(0), make(chan struct{})
		src.claims[0].messages = make(chan stage.Message, n)
		for offset := range int64(n) {
			src.claims[0].messages <- sizedMessage(offset)
		}
		p, stop := start(t, src, Config{Workers: n, Ordering: Unordered, MaxInFlightBytes: fit*1000 + 999}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			<-gate
			return m, nil
		})
		time.Sleep(time.Minute)
		if s := p.Stats().Partitions[0]; s.Received != fit || s.InFlight != fit || s.Repeats != fit || s.Held != n-fit || pauses(src.claims[0]) != 1 {
			t.Errorf("asked to pause %d times, want once and %d messages admitted: %+v", pauses(src.claims[0]), fit, s)
		}
		close(gate)
		time.Sleep(time.Minute)
		if err := stop(); err != nil || src.last(0) != n {
			t.Errorf("Run: %v, committed %d", err, src.last(0))
		}
	})
}

func TestAMessageLargerThanTheWindowIsProcessedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 5
		src := newFakeSource(0)
		src.claims[0].messages = make(chan stage.Message, n)
		for offset := range int64(n) {
			src.claims[0].messages <- sizedMessage(offset)
		}
		p, stop := start(t, src, Config{Workers: n, Ordering: Unordered, MaxInFlightBytes: 1}, working(map[int32][]int{0: {1, 1, 1, 1, 1}}))
		for done := range int64(n) {
			time.Sleep(500 * time.Millisecond)
			if s := p.Stats().Partitions[0]; s.InFlight != 1 || s.Processed != done {
				t.Errorf("after %d: %+v", done, s)
			}
			time.Sleep(500 * time.Millisecond)
		}
		if err := stop(); err != nil || src.last(0) != n {
			t.Errorf("Run: %v, committed %d", err, src.last(0))
		}
	})
}
