package sourcetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

func readsInOrderFromTheOldest(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 2)
	f.fill(t, 0, 20)
	f.fill(t, 1, 10)
	m := f.join(t, nil)
	for partition, n := range []int{20, 10} {
		served := m.holds(t, int32(partition))
		if served.Topic() != f.topic || served.Start() != 0 {
			t.Errorf("the claim says %s from %d, want %s from 0", served.Topic(), served.Start(), f.topic)
		}
		wantOffsets(t, served.reads(t, n), upTo(int64(n))...)
		f.fill(t, int32(partition), 5)
		wantOffsets(t, served.reads(t, n+5), upTo(int64(n+5))...)
	}
}

func keepsEveryFieldOfAMessage(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 1)
	when := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	sent := []stage.Message{
		stage.New([]byte("key"), []byte("value"), stage.Stamped(when),
			stage.Headed("a", []byte("1")), stage.Headed("b", []byte("2")), stage.Headed("a", []byte("3"))),
		stage.New(nil, []byte("no key"), stage.Stamped(when.Add(time.Second))),
		stage.New([]byte{}, []byte("empty key"), stage.Stamped(when)),
		stage.New([]byte("tombstone"), nil, stage.Stamped(when)),
		stage.New([]byte("empty value"), []byte{}, stage.Stamped(when)),
	}
	f.Produce(t, f.topic, 0, sent...)
	got := f.join(t, nil).holds(t, 0).reads(t, len(sent))
	for i, want := range sent {
		wantSame(t, got[i], want)
		if at := (stage.Position{Topic: f.topic, Offset: int64(i)}); got[i].Position() != at {
			t.Errorf("message %d is at %v, want %v", i, got[i].Position(), at)
		}
	}
}

func wantSame(t *testing.T, got, want stage.Message) {
	t.Helper()
	same := func(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }
	if !same(got.Key(), want.Key()) || !same(got.Value(), want.Value()) {
		t.Errorf("received %#v: %#v, want %#v: %#v", got.Key(), got.Value(), want.Key(), want.Value())
	}
	if !got.Timestamp().Equal(want.Timestamp()) {
		t.Errorf("timestamp %v, want %v", got.Timestamp(), want.Timestamp())
	}
	if !slices.EqualFunc(got.Headers(), want.Headers(), func(a, b stage.Header) bool {
		return a.Key == b.Key && bytes.Equal(a.Value, b.Value)
	}) {
		t.Errorf("headers %q, want %q", got.Headers(), want.Headers())
	}
}

func knowsTheHighWatermark(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 1)
	f.fill(t, 0, 10)
	m := f.join(t, func(m *member) {
		m.began = func(served *tenure) {
			if high := served.HighWatermark(); high < served.Start() {
				t.Errorf("high watermark %d is less than the start %d", high, served.Start())
			}
		}
	})
	served := m.holds(t, 0)
	for _, high := range []int64{10, 15} {
		served.reads(t, int(high))
		eventually(t, fmt.Sprintf("high watermark %d", high), func() bool { return served.HighWatermark() == high })
		f.fill(t, 0, 5)
	}
}

func holesAreSteppedOver(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 1)
	f.fill(t, 0, 2)
	cluster.Abilities().ProduceApart(t, f.topic, 0, stage.New(nil, []byte("a")), stage.New(nil, []byte("b")))
	f.fill(t, 0, 1)
	m := f.join(t, nil)
	served := m.holds(t, 0)
	got := served.reads(t, 5)
	wantOffsets(t, got[:3], 0, 1, 2)
	if a, b := got[2], got[3]; string(a.Value()) != "a" || string(b.Value()) != "b" {
		t.Errorf("received %q and %q around a hole", a.Value(), b.Value())
	}
	third, last := got[3].Position().Offset, got[4].Position().Offset
	if third <= 3 || last <= third+1 {
		t.Errorf("the offsets after 2 are %d and %d, want holes before both", third, last)
	}
	m.commit(t, served, third+1)
	m.stop(t)
	next := f.join(t, nil).holds(t, 0)
	if next.Start() != third+1 {
		t.Errorf("the next member starts at %d, want %d, in the hole", next.Start(), third+1)
	}
	wantOffsets(t, next.reads(t, 1), last)
}

func wakeEndsTheWait(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 1)
	m, _ := f.joinByHand(t)
	claim := m.holds(t, 0)
	value := make(chan struct{}, 1)
	value <- struct{}{}
	for what, wake := range map[string]<-chan struct{}{"a value": value, "a closed channel": closedChannel()} {
		if _, err := receive(t, claim, wake); !errors.Is(err, source.ErrWoken) {
			t.Errorf("Receive on an empty partition, woken by %s: %v, want ErrWoken", what, err)
		}
	}
	go func() { value <- struct{}{} }()
	if _, err := receive(t, claim, value); !errors.Is(err, source.ErrWoken) {
		t.Errorf("Receive that waited: %v, want ErrWoken", err)
	}
	f.fill(t, 0, 1)
	got, err := receive(t, claim, nil)
	if err != nil {
		t.Fatalf("Receive after being woken: %v", err)
	}
	wantOffsets(t, []stage.Message{got}, 0)
}

// claimOf returns a claim of n messages, for the test to receive.
func claimOf(t *testing.T, cluster Cluster, n int) source.Claim {
	t.Helper()
	f := newFixture(t, cluster, 1)
	f.fill(t, 0, n)
	m, _ := f.joinByHand(t)
	return m.holds(t, 0)
}

// A source over a network can't promise that a message is ready at a certain
// moment, so this one counts: of the calls made when messages have been there
// for a while, hardly any may be woken. A blind select wakes every other one.
func readyMessagesComeBeforeWake(t *testing.T, cluster Cluster) {
	const n = 100
	claim := claimOf(t, cluster, n)
	first, err := receive(t, claim, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := []stage.Message{first}
	woken := 0
	eventually(t, "the other messages", func() bool {
		msg, err := receive(t, claim, closedChannel())
		switch {
		case err == nil:
			got = append(got, msg)
		case errors.Is(err, source.ErrWoken) && len(got) > n/2:
			woken++
		}
		return len(got) == n
	})
	wantOffsets(t, got, upTo(n)...)
	if woken > n/10 {
		t.Errorf("%d of %d messages that were ready were passed over for wake", woken, n/2)
	}
}

// As above, a source over a network can't promise when messages are ready, so this one wants that some come together.
func readyMessagesComeTogether(t *testing.T, cluster Cluster) {
	const n = 100
	claim := claimOf(t, cluster, n)
	var got []stage.Message
	calls := 0
	for len(got) < n {
		into := make([]source.Delivery, 8)
		count, err := receiveInto(t, claim, into, nil)
		if err != nil || count < 1 || count > len(into) {
			t.Fatalf("Receive into %d: %d, %v", len(into), count, err)
		}
		for _, d := range into[:count] {
			if want := source.Deliver(d.Message); d.Offset != want.Offset || d.Size != want.Size {
				t.Errorf("the message at %d is of %d bytes, its delivery says %d and %d", want.Offset, want.Size, d.Offset, d.Size)
			}
			got = append(got, d.Message)
		}
		calls++
	}
	wantOffsets(t, got, upTo(n)...)
	if calls > n/2 {
		t.Errorf("%d messages came in %d calls", n, calls)
	}
}

// What was fetched before the pause may still come, so the test waits until
// nothing comes any more while the other partition goes on.
func pauseStopsAndResumeGoesOn(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 2)
	m := f.join(t, nil)
	paused, other := m.holds(t, 0), m.holds(t, 1)
	f.fill(t, 0, 1)
	paused.reads(t, 1)
	paused.Pause()
	paused.Pause()
	sent, quiet := 1, 0
	for deadline := time.Now().Add(Patience); quiet < 10; sent++ {
		if time.Now().After(deadline) {
			t.Fatal("a paused claim goes on delivering what is produced")
		}
		before := len(paused.received())
		f.fill(t, 0, 1)
		f.fill(t, 1, 1)
		other.reads(t, sent)
		if quiet++; len(paused.received()) != before {
			quiet = 0
		}
	}
	paused.Resume()
	paused.Resume()
	wantOffsets(t, paused.reads(t, sent), upTo(int64(sent))...)
}

func aPausedClaimStillEnds(t *testing.T, cluster Cluster) {
	f := newFixture(t, cluster, 1)
	m := f.join(t, nil)
	claim := m.holds(t, 0)
	claim.Pause()
	m.stop(t)
	await(t, "ErrClosed", claim.closed)
	claim.Pause()
	claim.Resume()
}
