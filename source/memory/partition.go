package memory

import (
	"bytes"
	"sync"
	"time"

	"github.com/vlab-research/burrow/stage"
)

// partition is one log and whoever reads it.
type partition struct {
	topic string
	index int32

	mu      sync.Mutex
	records []stage.Message
	trimmed int   // records removed from the front; a claim counts from the first ever
	end     int64 // the next offset; holes make it run ahead of the records
	readers map[*claim]struct{}
}

func newPartition(topic string, index int32) *partition {
	return &partition{topic: topic, index: index, readers: make(map[*claim]struct{})}
}

// add stores a copy of the messages and wakes the readers.
func (p *partition) add(msgs ...stage.Message) []stage.Position {
	positions := make([]stage.Position, len(msgs))
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, msg := range msgs {
		positions[i] = stage.Position{Topic: p.topic, Partition: p.index, Offset: p.end}
		p.records = append(p.records, stored(msg, positions[i]))
		p.end++
	}
	for reader := range p.readers {
		reader.nudge()
	}
	return positions
}

// stored is the message as a broker keeps it: its bytes, without a payload.
func stored(msg stage.Message, at stage.Position) stage.Message {
	when := msg.Timestamp()
	if when.IsZero() {
		when = time.Now()
	}
	opts := []stage.Option{stage.At(at), stage.Stamped(when)}
	for _, header := range msg.Headers() {
		opts = append(opts, stage.Headed(header.Key, bytes.Clone(header.Value)))
	}
	return stage.New(bytes.Clone(msg.Key()), bytes.Clone(msg.Value()), opts...)
}

func (p *partition) skip(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end += n
}

func (p *partition) trim(before int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.search(before)
	p.records = append([]stage.Message(nil), p.records[n:]...)
	p.trimmed += n
}

// search returns the index of the first record at or behind the offset.
func (p *partition) search(offset int64) int {
	low, high := 0, len(p.records)
	for low < high {
		middle := int(uint(low+high) >> 1)
		if p.records[middle].Position().Offset < offset {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// oldest returns the first offset that can still be read, 0 in a log that was never trimmed.
func (p *partition) oldest() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.trimmed == 0:
		return 0
	case len(p.records) == 0:
		return p.end
	default:
		return p.records[0].Position().Offset
	}
}

func (p *partition) endOffset() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.end
}

// consumed returns whether no record is left at or behind the offset.
func (p *partition) consumed(next int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.search(next) == len(p.records)
}

func (p *partition) messages() []stage.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]stage.Message(nil), p.records...)
}

// attach lets the claim read from its start.
func (p *partition) attach(c *claim) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.next = p.trimmed + p.search(c.start)
	p.readers[c] = struct{}{}
}

func (p *partition) detach(c *claim) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.readers, c)
}
