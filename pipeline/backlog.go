package pipeline

import (
	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// backlog is a first-in, first-out queue of messages.
type backlog struct {
	ring []stage.Message // a power of two of places
	head int
	n    int
}

func (b *backlog) push(msg stage.Message) {
	if b.n == len(b.ring) {
		grown := make([]stage.Message, max(2*b.n, 64))
		for i := range b.n {
			grown[i] = b.ring[(b.head+i)%len(b.ring)]
		}
		b.ring, b.head = grown, 0
	}
	b.ring[(b.head+b.n)%len(b.ring)] = msg
	b.n++
}

func (b *backlog) front() stage.Message { return b.ring[b.head] }

func (b *backlog) pop() {
	b.ring[b.head] = nil
	b.head = (b.head + 1) % len(b.ring)
	if b.n--; b.n == 0 {
		b.ring, b.head = nil, 0 // one fetch's worth need not stay
	}
}

// sizeOf returns what a message counts for in the window's bytes.
func sizeOf(msg stage.Message) int {
	size := len(msg.Key()) + len(msg.Value())
	if sized, ok := msg.(source.HeaderSizer); ok {
		return size + sized.HeaderBytes()
	}
	for _, h := range msg.Headers() {
		size += len(h.Key) + len(h.Value)
	}
	return size
}
