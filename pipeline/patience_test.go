package pipeline

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/stage"
)

// slowly is a handler under which room comes often.
func slowly(_ context.Context, m stage.Message) (stage.Message, error) {
	time.Sleep(5 * time.Millisecond)
	return m, nil
}

// isPaused tells whether the source was asked to send no more of a claim.
func isPaused(c *fakeClaim) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.paused
}

// pauses tells how often the source was asked to send no more of a claim.
func pauses(c *fakeClaim) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pauses
}

func TestWhileNoClaimWaitsForTheSourceNoneIsPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(10_000, 10_000)
		_, stop := start(t, src, Config{Workers: 40, Ordering: Unordered, MaxInFlight: 100}, slowly)
		time.Sleep(time.Second)
		for _, c := range src.claims {
			if n := pauses(c); n != 0 {
				t.Errorf("partition %d was paused %d times", c.partition, n)
			}
			if n := len(c.messages); n < 5000 || n > 7000 {
				t.Errorf("%d messages of partition %d are left in the source", n, c.partition)
			}
		}
		time.Sleep(time.Minute)
		if err := stop(); err != nil || src.last(0) != 10_000 || src.last(1) != 10_000 {
			t.Errorf("%v, committed %d and %d", err, src.last(0), src.last(1))
		}
	})
}

// The other's messages don't wait for long, though one after the other of this claim finds room.
func TestAClaimWithoutRoomIsPausedSoonIfAnotherWaitsForTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(10_000, 0)
		p, stop := start(t, src, Config{Workers: 20, Ordering: Unordered, MaxInFlight: 100}, slowly)
		time.Sleep(patience / 2)
		if isPaused(src.claims[0]) {
			t.Error("paused at once")
		}
		time.Sleep(2 * patience) // it may begin before the other waits
		if s := p.Stats().Partitions[0]; !isPaused(src.claims[0]) || len(src.claims[0].messages) != 0 {
			t.Errorf("it is not paused, or not read: %+v", s)
		}
		time.Sleep(time.Minute)
		if err := stop(); err != nil || src.last(0) != 10_000 {
			t.Errorf("%v, committed %d", err, src.last(0))
		}
	})
}

func TestAClaimThatGetsNoRoomIsPausedThoughNoOtherWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, gate := newFakeSource(1000), make(chan struct{})
		_, stop := start(t, src, Config{Workers: 10, Ordering: Unordered, MaxInFlight: 100}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			<-gate
			return m, nil
		})
		time.Sleep(lonePatience - time.Millisecond)
		if isPaused(src.claims[0]) {
			t.Error("paused at once")
		}
		time.Sleep(2 * time.Millisecond)
		if !isPaused(src.claims[0]) || len(src.claims[0].messages) != 0 {
			t.Errorf("%v after its window was full it is not paused, or not read", lonePatience)
		}
		close(gate)
		time.Sleep(time.Minute)
		if err := stop(); err != nil || src.last(0) != 1000 || isPaused(src.claims[0]) {
			t.Errorf("%v, committed %d", err, src.last(0))
		}
	})
}

// What is left of its patience is for one fetch, not for all of them.
func TestAReaderThatHadAllOfAFetchIsPatientAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newRoomySource(2)
		_, stop := start(t, src, Config{Workers: 100, Ordering: Unordered, MaxInFlight: 100}, slowly)
		for fetch := range 20 { // each takes the reader a part of its patience
			src.claims[0].send(200*fetch, 200, "")
			time.Sleep(30 * time.Millisecond)
		}
		if n := pauses(src.claims[0]); n != 0 {
			t.Errorf("%d pauses", n)
		}
		if err := stop(); err != nil || src.last(0) != 4000 {
			t.Errorf("%v, committed %d", err, src.last(0))
		}
	})
}

// While no other waits nobody is held up, and whoever waits later finds a reader that has all of its patience.
func TestWhatAReaderWaitsCountsWhileAnotherWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, other := &reader{claim: &claim{e: &engine{}}}, &claim{}
		r.e.list.Store(&[]*claim{r.claim, other})
		for _, c := range []struct {
			otherWaits, gone bool
			took, want       time.Duration
		}{
			{otherWaits: true, took: 5, want: 5},
			{otherWaits: true, took: 4, want: 9},
			{otherWaits: true, gone: true, took: 3, want: 9}, // what the readers hand on is another's by now
			{otherWaits: false, took: 2, want: 0},
			{otherWaits: true, took: 1, want: 1},
		} {
			other.inline.waiting.Store(c.otherWaits)
			r.gone = c.gone
			if r.noteWait(time.Now().Add(-c.took)); r.intake.waited != c.want {
				t.Errorf("after %+v it has waited %d", c, r.intake.waited)
			}
		}
	})
}

// The source goes on filling its channel meanwhile, with messages of any size.
func TestLargeMessagesAreNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource(0)
		src.claims[0].messages = make(chan stage.Message, 1000)
		for offset := range int64(1000) {
			src.claims[0].messages <- stage.New(nil, make([]byte, patientSize+1), stage.At(stage.Position{Topic: "t", Offset: offset}))
		}
		_, stop := start(t, src, Config{Workers: 10, Ordering: Unordered, MaxInFlight: 100}, slowly)
		time.Sleep(time.Millisecond)
		if !isPaused(src.claims[0]) {
			t.Error("it is not paused")
		}
		time.Sleep(time.Minute)
		if err := stop(); err != nil || src.last(0) != 1000 {
			t.Errorf("%v, committed %d", err, src.last(0))
		}
	})
}
