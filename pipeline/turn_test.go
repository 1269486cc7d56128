package pipeline

import (
	"context"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/stage"
)

// inReader tells whether the calling handler runs on its claim's reader.
func inReader() bool {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.Function, ".runInline") {
			return true
		}
		if !more {
			return false
		}
	}
}

// warm delivers messages until their work has proved to be quick, and returns the next offset.
func (c *fakeClaim) warm(key string) (next int) {
	const each = 50
	for ; next < 20*each; next += each {
		c.send(next, each, key)
		synctest.Wait()
	}
	return next
}

// newRoomySource serves partitions that a test sends messages to.
func newRoomySource(partitions int) *fakeSource {
	src := newFakeSource(make([]int, partitions)...)
	for _, c := range src.claims {
		c.messages = make(chan stage.Message, 20_000)
	}
	return src
}

// noPermitIsGone looks, once nothing is in flight, whether all permits are back.
func noPermitIsGone(t *testing.T, p *Pipeline) {
	t.Helper()
	time.Sleep(time.Minute)
	pool := p.running().pool
	pool.mu.Lock()
	defer pool.mu.Unlock()
	if pool.taken != 0 || len(pool.resting) != 0 {
		t.Errorf("%d permits are gone, %d rest", pool.taken, len(pool.resting))
	}
}

func TestAReaderGoesOnByItselfWhileAnotherPartitionWantsEveryWorker(t *testing.T) {
	const rounds, each, workers = 400, 100, 20
	synctest.Test(t, func(t *testing.T) {
		src := newRoomySource(2)
		var quick, own atomic.Int64
		var mu sync.Mutex
		var at, most int
		p, stop := start(t, src, Config{Workers: workers}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			mu.Lock()
			at++
			most = max(most, at)
			mu.Unlock()
			defer func() {
				mu.Lock()
				at--
				mu.Unlock()
			}()
			if m.Position().Partition == 0 {
				time.Sleep(time.Duration(rand.IntN(20_000)) * time.Microsecond)
				return m, nil
			}
			quick.Add(1)
			if inReader() {
				own.Add(1)
			}
			return m, nil
		})
		src.claims[0].send(0, 20_000, "")
		for i := range rounds {
			src.claims[1].send(i*each, each, "k")
			time.Sleep(5 * time.Millisecond)
		}
		if quick.Load() < rounds*each*9/10 || own.Load() < quick.Load()*3/4 {
			t.Errorf("of %d quick messages %d were worked on, %d in the reader", rounds*each, quick.Load(), own.Load())
		}
		noPermitIsGone(t, p)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if most != workers {
			t.Errorf("%d at once with %d workers", most, workers)
		}
	})
}

func TestAReaderGetsBackToItsKeyOnceThatIsQuickAgain(t *testing.T) {
	const behind, after = 5000, 10_000
	synctest.Test(t, func(t *testing.T) {
		src := newRoomySource(1)
		var own atomic.Int64
		p, stop := start(t, src, Config{MaxInFlight: 10_000}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			switch offset := m.Position().Offset; {
			case offset == 100:
				time.Sleep(time.Second)
			case offset > behind && inReader():
				own.Add(1)
			}
			return m, nil
		})
		src.claims[0].send(0, behind, "hot")
		time.Sleep(2 * time.Second)
		src.claims[0].send(behind, after, "hot")
		synctest.Wait()
		if own.Load() < after*9/10 {
			t.Errorf("the reader ran %d of %d", own.Load(), after)
		}
		noPermitIsGone(t, p)
		if err := stop(); err != nil || src.last(0) != behind+after {
			t.Errorf("committed %d: %v", src.last(0), err)
		}
	})
}

func TestAReaderWaitsNoLongerThanItIsWorth(t *testing.T) {
	for name, c := range map[string]struct{ since, within time.Duration }{
		"behind one that is slow":      {time.Second, 0},
		"behind one that may be quick": {0, 3 * turnPatience},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := newRoomySource(1)
				var begun atomic.Int64
				p, stop := start(t, src, Config{}, func(_ context.Context, m stage.Message) (stage.Message, error) {
					switch {
					case m.Value() != nil:
						time.Sleep(time.Hour)
					case string(m.Key()) == "b":
						begun.Store(time.Now().UnixMicro())
					}
					return m, nil
				})
				claim := src.claims[0]
				at := claim.warm("b")
				claim.messages <- stage.New([]byte("a"), []byte("slow"), stage.At(stage.Position{Topic: "t", Offset: int64(at)}))
				time.Sleep(c.since)
				claim.send(at+1, 1000, "b") // the slow one ended the proof
				synctest.Wait()
				sent := time.Now()
				claim.send(at+1001, 1, "a")
				claim.send(at+1002, 1, "b")
				time.Sleep(time.Second)
				if waited := begun.Load() - sent.UnixMicro(); waited < 0 || waited > c.within.Microseconds() {
					t.Errorf("the other key waited for %d µs", waited)
				}
				time.Sleep(2 * time.Hour)
				noPermitIsGone(t, p)
				if err := stop(); err != nil || src.last(0) != int64(at+1003) {
					t.Errorf("committed %d: %v", src.last(0), err)
				}
			})
		})
	}
}

func TestAReaderThatHasAPermitGetsNoSecondOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newRoomySource(2)
		p, stop := start(t, src, Config{Workers: 2}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			if d, err := time.ParseDuration(string(m.Value())); err == nil {
				time.Sleep(d)
			}
			return m, nil
		})
		claim := src.claims[0]
		at := claim.warm("b")
		time.Sleep(time.Second)
		for i := range 2 { // so that a worker has to take up the next
			src.claims[1].messages <- stage.New(nil, []byte("10ms"), stage.At(stage.Position{Topic: "t", Partition: 1, Offset: int64(i)}))
		}
		time.Sleep(5 * time.Millisecond)
		claim.messages <- stage.New([]byte("a"), []byte("100us"), stage.At(stage.Position{Topic: "t", Offset: int64(at)}))
		time.Sleep(5 * time.Millisecond)
		synctest.Wait()
		claim.send(at+1, 1, "b")           // gets the reader a permit
		claim.send(at+2, firstDeaf+1, "a") // the last of which it waits with
		noPermitIsGone(t, p)
		if err := stop(); err != nil || src.last(0) != int64(at+2+firstDeaf+1) {
			t.Errorf("committed %d: %v", src.last(0), err)
		}
	})
}

func TestAReaderThatWaitedInVainReadsOn(t *testing.T) {
	const n = 1000
	synctest.Test(t, func(t *testing.T) {
		src := newRoomySource(2)
		p, stop := start(t, src, Config{Workers: 2, Ordering: Unordered}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			if m.Position().Partition == 1 {
				time.Sleep(time.Hour)
			}
			return m, nil
		})
		at := src.claims[0].warm("")
		time.Sleep(time.Second)
		src.claims[1].send(0, 2, "")
		time.Sleep(time.Second)
		src.claims[0].send(at, n, "")
		time.Sleep(20 * turnPatience)
		if left := len(src.claims[0].messages); left > 0 {
			t.Errorf("%d of %d messages are not read", left, n)
		}
		time.Sleep(2 * time.Hour)
		noPermitIsGone(t, p)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
