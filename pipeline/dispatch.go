package pipeline

import (
	"math"

	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/stage"
)

// Of the messages that may start, a claim has about so many as tasks. What came after them is on its shelf, in the
// order in which it came: thousands of tasks, each several times as large as an arrival, would be cold memory when
// their turn comes, and the garbage collector would look at all of them again and again.
const (
	readyLow  = 8 // with fewer, more are taken from the shelf
	readyMost = 16
)

// arrival is an admitted message on its way to the workers.
type arrival struct {
	msg    stage.Message
	ticket offsets.Ticket
	lane   uint64 // meaningful if laned
	laned  bool
}

// dispatch hands admitted messages to the workers or to the lines of their keys, or puts them on the shelf. Only
// the reader calls it.
func (c *claim) dispatch(arrivals []arrival) {
	var ready taskList
	c.mu.Lock()
	if c.shelf.n == 0 && c.queue.startable.Load() < readyMost {
		for i := range arrivals {
			c.add(&arrivals[i], &ready)
		}
	} else {
		for i := range arrivals {
			c.shelf.push(arrivals[i])
		}
		c.shelved.Store(true) // a worker that begins one of those before them sees to them
	}
	c.mu.Unlock()
	if ready.head != nil {
		c.e.pool.push(&c.queue, ready)
	}
}

// add makes a task of an arrival, and adds it to the ready ones if it may start. The claim's mutex is held.
func (c *claim) add(a *arrival, ready *taskList) {
	if t := c.newTask(a.msg, a.ticket); c.enlist(t, a.lane, a.laned) {
		ready.push(t)
	}
}

// unshelve makes tasks of what is on the shelf, oldest first, until so many may start. The claim's mutex is
// held, so that nothing overtakes them on their way to the pool.
func (c *claim) unshelve(most int) {
	var ready taskList
	wanted := most - int(c.queue.startable.Load())
	c.touch(wanted)
	for c.shelf.n > 0 && ready.n < wanted {
		a := c.shelf.pop()
		c.add(&a, &ready)
	}
	c.shelved.Store(c.shelf.n > 0)
	if ready.head != nil {
		c.e.pool.push(&c.queue, ready)
	}
}

// touch reads the messages that are next on the shelf. They are cold memory by now: read one right after the other, they
// are fetched from it at the same time, while each handler would wait for its own.
func (c *claim) touch(n int) {
	for i := range min(n, readyMost, c.shelf.n) {
		_ = c.shelf.at(i).msg.Position()
	}
}

// clearShelf makes tasks of all that is on the shelf.
func (c *claim) clearShelf() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unshelve(math.MaxInt)
}

// enlist makes the task one of the claim's, behind those of its lane. It reports
// whether the task may start. The claim's mutex is held.
func (c *claim) enlist(t *task, lane uint64, laned bool) (ready bool) {
	c.live.push(t)
	t.listed = true
	c.outstanding.Add(1)
	t.lane, t.laned = lane, laned
	if !laned {
		return true
	}
	last := c.lanes.push(t)
	if last == nil {
		return true
	}
	last.follow = t
	return false
}

// blocked tells whether a message must wait for another one of its lane.
func (c *claim) blocked(msg stage.Message) bool {
	return c.outstanding.Load() != 0 && c.isLaneBusy(msg) // apart, so that the look costs no call
}

func (c *claim) isLaneBusy(msg stage.Message) bool {
	lane, laned := c.laneOf(msg)
	if !laned {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lanes.last(lane) != nil
}

// begin takes a queued task up, and sees to more of them. It reports false if the drain was quicker.
func (c *claim) begin(t *task) bool {
	if t.timed {
		t.started = c.e.clock()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.state != taskQueued || c.fenced.Load() {
		return false
	}
	t.state, t.permit = taskRunning, true
	if c.shelf.n > 0 && c.queue.startable.Load() < readyLow {
		c.unshelve(readyMost)
	}
	return true
}
