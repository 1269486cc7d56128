package pipeline

import (
	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/source"
)

// batchSize is how many messages the reader receives and admits at once, and settles at once if it runs them itself.
const batchSize = 16

// batch is messages that the source delivered at once, of which n were admitted. Those before at have ended, or
// were handed on.
type batch struct {
	received [batchSize]source.Delivery
	first    offsets.Ticket // of the first; the others follow it one by one
	at, n    int
}

// ticket returns the ticket of the next message.
func (b *batch) ticket() offsets.Ticket { return b.first + offsets.Ticket(b.at) }

// from returns a batch of the messages from one on.
func (b *batch) from(at int) (left batch) {
	left.first = b.first + offsets.Ticket(at)
	left.n = copy(left.received[:], b.received[at:b.n])
	return left
}

// startBatch starts the messages of the batch, unless another goroutine becomes the reader meanwhile.
func (r *reader) startBatch() {
	for r.batch.at < r.batch.n && !r.gone {
		r.startNext()
	}
}

// startNext runs the batch's next message, and those behind it, if that is quick, or hands it on.
func (r *reader) startNext() {
	b := &r.batch
	msg, ticket := b.received[b.at].Message, b.ticket()
	if r.inline.quick.Load() {
		if r.arrived > 0 {
			r.flush() // for the lanes to be known, and because what comes next may take long
		}
		if r.shelved.Load() {
			r.clearShelf()
		}
		if r.mayRun(msg) {
			r.runInline()
			return
		}
		if r.mayWait() {
			if r.awaitTurn(msg, ticket) {
				r.runInline()
			} else {
				b.at++
			}
			return
		}
	}
	b.at++
	r.handOn(msg, ticket)
}

// resolve resolves n messages that were admitted one after the other.
func (c *claim) resolve(first offsets.Ticket, n int) {
	if n == 0 {
		return
	}
	_, due := c.tracker.ResolveAll(first, n)
	c.endRow()
	if due {
		c.e.committer.ask(c)
	}
}
