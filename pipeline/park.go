package pipeline

import (
	"time"

	"github.com/vlab-research/burrow/stage"
)

// park gives the task's permit away. If the task is the message that the reader
// runs, another reader is started.
func (c *claim) park(t *task, p stage.Parking) {
	if word := c.inline.word.Load(); word&1 == 1 && !c.isListed(t) {
		c.takeOver(word)
	}
	c.mu.Lock()
	c.note(t, p)
	t.state = taskParked
	permit := t.permit
	t.permit = false
	c.counts.parked++
	c.mu.Unlock()
	if permit {
		c.e.pool.release(&c.queue)
	}
}

func (c *claim) isListed(t *task) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return t.listed
}

func (c *claim) unpark(t *task) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t.state = taskRunning
	c.counts.parked--
}

// noteParking records a retry that doesn't wait.
func (c *claim) noteParking(t *task, p stage.Parking) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note(t, p)
}

func (c *claim) note(t *task, p stage.Parking) {
	info := &parkingInfo{reason: p.Reason, since: time.Now(), attempts: p.Attempt, cause: p.Cause}
	if p.For > 0 {
		info.until = info.since.Add(p.For)
	}
	if p.Attempt > 0 {
		c.counts.retried++
	} else if t.parking != nil { // a wait for something else between two tries
		info.attempts, info.cause = t.parking.attempts, t.parking.cause
	}
	t.parking = info
}
