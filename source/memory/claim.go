package memory

import (
	"time"

	"github.com/vlab-research/burrow/source"
)

// claim is one tenure of a partition at one member.
type claim struct {
	member *Source
	log    *partition
	start  int64
	news   chan struct{} // one token: look again

	// Guarded by log.mu.
	next   int // which record is next, counted from the partition's first ever
	closed bool
	paused bool
	limit  int // while paused, records before this one were fetched already

	// Guarded by the broker's lock.
	revoked bool // told to go
	ended   bool // its commits don't count any more
	timeout *time.Timer
}

var _ source.Claim = (*claim)(nil)

func newClaim(member *Source, log *partition, start int64) *claim {
	c := &claim{member: member, log: log, start: start, news: make(chan struct{}, 1)}
	log.attach(c)
	return c
}

func (c *claim) Topic() string    { return c.log.topic }
func (c *claim) Partition() int32 { return c.log.index }
func (c *claim) Start() int64     { return c.start }

func (c *claim) HighWatermark() int64 { return max(c.start, c.log.endOffset()) }

func (c *claim) Receive(into []source.Delivery, wake <-chan struct{}) (int, error) {
	for {
		if n, err := c.poll(into); n > 0 || err != nil {
			return n, err
		}
		select {
		case <-c.news:
		case <-wake:
			return 0, source.ErrWoken
		}
	}
}

// poll returns the next messages, or nothing when there are none yet.
func (c *claim) poll(into []source.Delivery) (n int, err error) {
	p := c.log
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.closed {
		return 0, source.ErrClosed
	}
	c.next = max(c.next, p.trimmed)
	end := p.trimmed + len(p.records)
	if c.paused {
		end = min(end, c.limit)
	}
	for ; n < len(into) && c.next < end; n++ {
		into[n] = source.Deliver(p.records[c.next-p.trimmed])
		c.next++
	}
	return n, nil
}

func (c *claim) Pause() {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	if !c.paused {
		c.paused = true
		c.limit = min(c.next+c.member.prefetch, c.log.trimmed+len(c.log.records))
	}
}

func (c *claim) Resume() {
	c.log.mu.Lock()
	c.paused = false
	c.log.mu.Unlock()
	c.nudge()
}

// close ends delivery; the tenure goes on until Serve returns.
func (c *claim) close() {
	c.log.mu.Lock()
	c.closed = true
	c.log.mu.Unlock()
	c.nudge()
}

// nudge makes a waiting Receive look again.
func (c *claim) nudge() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}
