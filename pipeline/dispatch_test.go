package pipeline

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vlab-research/burrow/stage"
)

func TestMostOfWhatWaitsForAWorkerIsNoTask(t *testing.T) {
	const workers, messages = 10, 5_000
	keys := make([]string, messages)
	for i := range keys {
		keys[i] = strconv.Itoa(i)
	}
	for _, ordering := range []Ordering{ByKey, Unordered} {
		t.Run(ordering.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := keyedSource(keys...)
				p, stop := start(t, src, Config{Workers: workers, Ordering: ordering}, func(_ context.Context, m stage.Message) (stage.Message, error) {
					time.Sleep(time.Second)
					return m, nil
				})
				time.Sleep(time.Millisecond)
				c := p.running().claims()[0]
				for done := 0; done < messages; done += workers {
					c.mu.Lock()
					tasks := c.live.n
					c.mu.Unlock()
					if most := workers + readyMost + arrivalBatch; tasks > most {
						t.Errorf("%d tasks after %d messages, want %d at most", tasks, done, most)
						break
					}
					if s := p.Stats(); s.InFlight != workers || s.Queued != messages-done-workers {
						t.Errorf("%d in flight and %d queued after %d messages", s.InFlight, s.Queued, done)
						break
					}
					time.Sleep(time.Second)
				}
				if err := stop(); err != nil || src.last(0) != messages {
					t.Errorf("%v, committed %d", err, src.last(0))
				}
			})
		})
	}
}

func TestNothingOvertakesItsKeyOnTheShelf(t *testing.T) {
	for name, when := range map[string]struct {
		late int           // so many were begun when the key's second message comes
		work time.Duration // of each
	}{
		"a reader that runs messages itself":   {100, 0},
		"a reader that could make tasks again": {readyMost + arrivalBatch - (readyLow+readyMost)/2, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const messages, shelved = 400, 300
				keys := make([]string, messages+1)
				keys[shelved], keys[messages] = "k", "k"
				src := keyedSource(keys...)
				c := src.claims[0]
				for range messages {
					c.messages <- <-c.messages
				}
				second := <-c.messages
				var n atomic.Int64
				var order atomic.Pointer[[]int64]
				order.Store(new([]int64))
				_, stop := start(t, src, Config{Workers: 1}, func(_ context.Context, m stage.Message) (stage.Message, error) {
					switch n.Add(1) {
					case 1:
						time.Sleep(time.Second) // the others are read meanwhile
					case int64(when.late):
						c.messages <- second
						time.Sleep(time.Microsecond) // the reader gets it, and quick work is quick still
					}
					time.Sleep(when.work)
					if string(m.Key()) == "k" {
						ran := append(*order.Load(), m.Position().Offset)
						order.Store(&ran)
					}
					return m, nil
				})
				time.Sleep(time.Hour)
				if want := []int64{shelved, messages}; !slices.Equal(*order.Load(), want) {
					t.Errorf("the key's messages ran in the order %v, want %v", *order.Load(), want)
				}
				if err := stop(); err != nil || src.last(0) != messages+1 {
					t.Errorf("%v, committed %d", err, src.last(0))
				}
			})
		})
	}
}

func TestADrainStartsNothingThatIsOnTheShelf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := keyedSource(append([]string{"a", "a", "b"}, make([]string, 1_000)...)...)
		p, stop := start(t, src, Config{Workers: 2}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			if string(m.Key()) == "a" {
				time.Sleep(time.Second)
			}
			time.Sleep(time.Second)
			return m, nil
		})
		time.Sleep(500 * time.Millisecond)
		began := time.Now()
		if err := stop(); err != nil || src.last(0) != 3 || time.Since(began) != 3500*time.Millisecond {
			t.Errorf("%v, committed %d after %v; want the 3 up to the last one in flight", err, src.last(0), time.Since(began))
		}
		if done := p.Stats().Processed; done != 3 {
			t.Errorf("%d were processed", done)
		}
	})
}

func TestFifo(t *testing.T) {
	random, q, model := rand.New(rand.NewPCG(1, 2)), fifo[int]{}, []int(nil)
	for i := range 100_000 {
		if random.IntN(1000) < 500+len(model)/4 && len(model) > 0 { // it grows to some hundreds, and shrinks
			if first := *q.at(0); first != model[0] || q.pop() != first {
				t.Fatalf("got %d, want %d", first, model[0])
			}
			model = model[1:]
		} else {
			q.push(i)
			model = append(model, i)
		}
		if q.n != len(model) {
			t.Fatalf("%d of %d", q.n, len(model))
		}
		if n := random.IntN(i + 1); n < q.n && *q.at(n) != model[n] {
			t.Fatalf("%d is at %d, want %d", *q.at(n), n, model[n])
		}
	}
	for q.n > 0 {
		q.pop()
	}
	if slices.ContainsFunc(q.ring, func(x int) bool { return x != 0 }) {
		t.Error("an empty queue keeps what was in it")
	}
}
