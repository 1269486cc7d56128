package offsets_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vlab-research/burrow/offsets"
)

// crowd is a feeder, workers that settle in any order, and a committer on one
// tracker, with the truth about every message kept beside it.
type crowd struct {
	tracker *offsets.Tracker
	work    chan job
	asks    chan struct{}
	room    chan struct{}
	slow    chan job      // wait until the committer has seen a gap
	settled []atomic.Bool // by delivery; set before Resolve
	gaps    atomic.Int64  // times that something resolved was seen behind something unresolved
	filled  atomic.Int64  // commits that took in what had been behind a gap
}

type job struct {
	ticket offsets.Ticket
	index  int
}

// slowEach is more than the window holds: each slow job stops the feeder.
const slowEach = 1000

// offsetOf leaves holes.
func offsetOf(index int) int64 { return int64(index)*2 + int64(index/7) }

func (c *crowd) feed(t *testing.T) {
	defer close(c.work)
	deadline := time.After(30 * time.Second)
	for i := 0; i < len(c.settled); {
		ticket, err := c.tracker.Admit(offsetOf(i), i%50, time.Now())
		if err == nil {
			c.work <- job{ticket, i}
			i++
			continue
		}
		if errors.Is(err, offsets.ErrDue) || len(c.slow) > 0 {
			poke(c.asks)
		}
		select {
		case <-c.room:
		case <-deadline:
			t.Errorf("message %d never found room: %+v", i, c.tracker.Usage())
			return
		}
	}
}

// settle keeps a few jobs back and settles them in any order, so that gaps form.
func (c *crowd) settle(seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	var back []job
	one := func() {
		i := random.IntN(len(back))
		j := back[i]
		back[i] = back[len(back)-1]
		back = back[:len(back)-1]
		if random.IntN(10) == 0 {
			c.ask(c.tracker.Fail(j.ticket, 1, time.Now()))
			if random.IntN(2) == 0 {
				c.tracker.Retry(j.ticket, time.Now())
			}
		}
		c.settled[j.index].Store(true)
		c.ask(c.tracker.Resolve(j.ticket))
	}
	for {
		select {
		case j, ok := <-c.work:
			if !ok {
				for len(back) > 0 {
					one()
				}
				return
			}
			if c.isSlow(j) {
				continue
			}
			if back = append(back, j); len(back) > 8 {
				one()
			}
		default: // nothing to do: what is kept back may be what the feeder waits for
			if len(back) > 0 {
				one()
				continue
			}
			j, ok := <-c.work
			if !ok {
				return
			}
			if !c.isSlow(j) {
				back = append(back, j)
			}
		}
	}
}

// isSlow leaves every slowEach-th job to the committer, which settles it once it has seen
// a gap behind it: however the goroutines are scheduled, gaps form and are filled.
func (c *crowd) isSlow(j job) bool {
	if j.index%slowEach != 0 {
		return false
	}
	c.slow <- j
	poke(c.asks)
	return true
}

// release settles the slow jobs.
func (c *crowd) release() {
	for {
		select {
		case j := <-c.slow:
			c.settled[j.index].Store(true)
			c.ask(c.tracker.Resolve(j.ticket))
		default:
			return
		}
	}
}

func (c *crowd) ask(_, due bool) {
	if due {
		poke(c.asks)
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// commit snapshots when asked, checks what it would commit against the truth, and
// acknowledges.
func (c *crowd) commit(t *testing.T) {
	checked, gap := 0, false
	for range c.asks {
		v := c.look()
		offset, ok := c.tracker.Snapshot(offsets.Ordered{}, time.Now())
		if ok && gap {
			c.filled.Add(1)
		}
		if gap = v.Resolved > v.Contiguous; gap {
			c.gaps.Add(1)
			c.release()
		}
		for ; checked < len(c.settled) && offsetOf(checked) <= offset; checked++ {
			if !c.settled[checked].Load() {
				t.Errorf("a commit of %d passes message %d, which is not resolved", offset, offsetOf(checked))
			}
		}
		if ok && c.tracker.Ack(offset) {
			poke(c.asks)
		}
		poke(c.room)
	}
}

func (c *crowd) look() (v offsets.View) {
	c.tracker.Committable(watcher(func(seen offsets.View) { v = seen }), time.Now())
	return v
}

func TestManyGoroutinesFormAndFillGaps(t *testing.T) {
	t.Parallel()
	const messages, workers = 20_000, 8
	c := &crowd{
		tracker: offsets.NewTracker(-1, offsets.Limits{Messages: 200, Bytes: 3000, Batch: 20}),
		work:    make(chan job), asks: make(chan struct{}, 1), room: make(chan struct{}, 1),
		slow:    make(chan job, messages),
		settled: make([]atomic.Bool, messages),
	}
	var settling, committing, watching sync.WaitGroup
	committing.Go(func() { c.commit(t) })
	stop := make(chan struct{})
	watching.Go(func() { c.watch(t, stop) })
	for i := range workers {
		settling.Go(func() { c.settle(uint64(i)) })
	}
	c.feed(t)
	settling.Wait()
	c.release()
	close(stop)
	watching.Wait()
	close(c.asks)
	committing.Wait()

	last := offsetOf(messages - 1)
	if got := c.tracker.Committable(offsets.Ordered{}, time.Now()); got != last {
		t.Errorf("all is resolved, committable is %d, want %d", got, last)
	}
	c.tracker.Ack(last)
	if u := c.tracker.Usage(); u.Messages != 0 || u.Bytes != 0 || u.Pending != 0 || u.Failed != 0 {
		t.Errorf("all is committed, the window holds %+v", u)
	}
	if want := int64(messages/slowEach - 1); c.gaps.Load() < want || c.filled.Load() < want {
		t.Errorf("%d gaps seen, %d filled: the test shows nothing", c.gaps.Load(), c.filled.Load())
	}
}

// watch checks from the side that nothing goes back or past a limit.
func (c *crowd) watch(t *testing.T, stop chan struct{}) {
	var last offsets.Usage
	last.Committed, last.Contiguous, last.Delivered = -1, -1, -1
	for {
		u := c.tracker.Usage()
		if u.Committed < last.Committed || u.Contiguous < last.Contiguous || u.Delivered < last.Delivered {
			t.Errorf("went back from %+v to %+v", last, u)
		}
		if u.Committed > u.Contiguous || u.Contiguous > u.Delivered || u.Messages > 200 || u.Bytes > 3000 {
			t.Errorf("impossible: %+v", u)
		}
		last = u
		select {
		case <-stop:
			return
		case <-time.After(50 * time.Microsecond):
		}
	}
}
