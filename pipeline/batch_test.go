package pipeline

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/stage"
)

// What becomes of one message of those that a reader took at once, and runs itself one after the other, is nothing to
// those before it and, unless they are of its key, to those behind it.
func TestTheRestOfAReadersBatchDoesNotWaitForOneOfIt(t *testing.T) {
	const bad = batchSize / 2
	for name, c := range map[string]struct {
		handle func(context.Context) error
		held   bool // the commit, by that message
	}{
		"fails":  {func(context.Context) error { return errors.New("bad") }, true},
		"panics": {func(context.Context) error { panic("bad") }, true},
		"ends its goroutine": {func(context.Context) error {
			runtime.Goexit()
			return nil
		}, true},
		"is skipped": {func(context.Context) error { return stage.Skip }, false},
		"takes long": {func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}, true},
		"waits elsewhere": {func(ctx context.Context) error {
			return hostOf(ctx).Park(ctx, stage.Parking{Reason: "rest", For: time.Hour})
		}, true},
	} {
		for _, ordering := range []Ordering{Unordered, ByKey} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					src := newRoomySource(1)
					var first atomic.Int64
					var alone atomic.Bool // the bad message ran in the reader
					var mu sync.Mutex
					var done []int64
					p, stop := start(t, src, Config{Workers: 4, Ordering: ordering, MaxConsecutive: 100}, func(ctx context.Context, m stage.Message) (stage.Message, error) {
						offset := m.Position().Offset
						if from := first.Load(); from > 0 && offset == from+bad {
							alone.Store(inReader())
							return m, c.handle(ctx)
						}
						mu.Lock()
						defer mu.Unlock()
						done = append(done, offset)
						return m, nil
					})
					next := int64(src.claims[0].warm("k"))
					done = nil
					first.Store(next)
					for i := range int64(batchSize) { // each of its own key
						src.claims[0].messages <- stage.New([]byte{byte(i)}, nil, stage.At(stage.Position{Topic: "t", Offset: next + i}))
					}
					time.Sleep(time.Minute)
					mu.Lock()
					slices.Sort(done)
					if !alone.Load() || len(done) != batchSize-1 || done[0] != next || done[len(done)-1] != next+batchSize-1 {
						t.Errorf("in the reader: %v; the others that are done: %v, from %d on", alone.Load(), done, next)
					}
					mu.Unlock()
					want := next + batchSize
					if c.held {
						want = next + bad
					}
					if got := src.last(0); got != want {
						t.Errorf("committed %d, want %d", got, want)
					}
					if s := p.Stats().Partitions[0]; s.Queued != 0 {
						t.Errorf("%d are queued", s.Queued)
					}
					_ = stop()
				})
			})
		}
	}
}

func TestOfAReadersBatchWhatIsBehindAFailedMessageOfItsKeyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newRoomySource(1)
		var bad, behind atomic.Int64
		_, stop := start(t, src, Config{Workers: 4, MaxConsecutive: 100}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			switch from := bad.Load(); {
			case from == 0 || m.Position().Offset < from:
			case m.Position().Offset == from:
				return nil, errors.New("bad")
			case string(m.Key()) == "k":
				behind.Add(1)
			}
			return m, nil
		})
		next := src.claims[0].warm("k")
		bad.Store(int64(next + 3))
		src.claims[0].send(next, batchSize, "k")
		time.Sleep(time.Minute)
		if n, committed := behind.Load(), src.last(0); n != 0 || committed != int64(next+3) {
			t.Errorf("%d of the key ran behind a failed one; committed %d, want %d", n, committed, next+3)
		}
		_ = stop()
	})
}

// A try without a wait before it is noted with its message, and not with the next one that the reader runs.
func TestTheTriesOfAReadersMessageAreNotThoseOfTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newRoomySource(1)
		var first atomic.Int64
		p, stop := start(t, src, Config{Workers: 4, Ordering: Unordered}, func(ctx context.Context, m stage.Message) (stage.Message, error) {
			switch from := first.Load(); {
			case from == 0:
			case m.Position().Offset == from+3: // within a batch
				return m, hostOf(ctx).Park(ctx, stage.Parking{Reason: "retry", Attempt: 7})
			case m.Position().Offset == from+4:
				return m, hostOf(ctx).Park(ctx, stage.Parking{Reason: "rest", For: time.Hour})
			}
			return m, nil
		})
		next := src.claims[0].warm("")
		first.Store(int64(next))
		src.claims[0].send(next, 5, "")
		time.Sleep(time.Second)
		c := p.claimOf("t", 0)
		c.mu.Lock()
		if c.live.oldest == nil || c.live.oldest.parking.attempts != 0 {
			t.Errorf("the message that is parked: %+v", c.live.oldest)
		}
		c.mu.Unlock()
		_ = stop()
	})
}

func TestAPauseStopsAReaderWithinItsBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newRoomySource(1)
		var p *Pipeline
		var first, after atomic.Int64
		p, stop := start(t, src, Config{Workers: 4, Ordering: Unordered}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			switch from := first.Load(); {
			case from == 0:
			case m.Position().Offset == from+3:
				p.Pause()
			case m.Position().Offset > from+3:
				after.Add(1)
			}
			return m, nil
		})
		next := src.claims[0].warm("")
		first.Store(int64(next))
		src.claims[0].send(next, batchSize, "")
		time.Sleep(time.Minute)
		if n := after.Load(); n != 0 {
			t.Errorf("%d messages were started after the pause", n)
		}
		p.Resume()
		time.Sleep(time.Minute)
		if n := after.Load(); n != batchSize-4 || src.last(0) != int64(next+batchSize) {
			t.Errorf("%d messages were started after it ended, want %d; committed %d", n, batchSize-4, src.last(0))
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestAMessageThatTheSourceRepeatsIsHandledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newRoomySource(1)
		var mu sync.Mutex
		var handled []int64
		_, stop := start(t, src, Config{Workers: 1, Ordering: ByPartition}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			mu.Lock()
			defer mu.Unlock()
			handled = append(handled, m.Position().Offset)
			return m, nil
		})
		for _, offset := range []int{0, 1, 1, 2, 0, 1, 2, 3} {
			src.claims[0].send(offset, 1, "")
		}
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(handled, []int64{0, 1, 2, 3}) || src.last(0) != 4 {
			t.Errorf("handled %v, committed %d", handled, src.last(0))
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func hostOf(ctx context.Context) stage.Host { return ctx.Value(stage.HostKey{}).(stage.Host) }
