package arm

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/IBM/sarama"
)

// block is for how many messages of a partition there is one signal between those who fill its line and those
// who empty it.
const block = 64

// slack is how many blocks ahead of a place the taking must be for the place to be filled again: then whoever took its
// message has it.
const slack = 3

// line is a partition's messages in a ring, and how far both sides are.
type line struct {
	ring     []atomic.Pointer[sarama.ConsumerMessage]
	total    int
	received atomic.Int64
	filled   []chan struct{} // closed when all of a block are received
	emptied  []chan struct{} // closed when the first of a block is taken
	_        [64]byte
}

func newLine(total, window int) *line {
	l := &line{ring: make([]atomic.Pointer[sarama.ConsumerMessage], window), total: total}
	for range total/block + 1 {
		l.filled, l.emptied = append(l.filled, make(chan struct{})), append(l.emptied, make(chan struct{}))
	}
	return l
}

// fill puts what comes into the ring, in which a place is free when its message is taken.
func (l *line) fill(session sarama.ConsumerGroupSession, m *sarama.ConsumerMessage, messages <-chan *sarama.ConsumerMessage) {
	for n, ok := 0, true; ok; m, ok = <-messages {
		if before := n - len(l.ring); before >= 0 && n%block == 0 {
			select {
			case <-l.emptied[before/block+slack]:
			case <-session.Context().Done():
				return
			}
		}
		place := &l.ring[n%len(l.ring)]
		for place.Load() != nil {
			runtime.Gosched()
		}
		place.Store(m)
		n++
		l.received.Store(int64(n))
		if n%block == 0 || n == l.total {
			close(l.filled[(n-1)/block])
			session.MarkMessage(m, "")
		}
	}
}

// take returns the n-th message when it has come, nil if ctx ended before.
func (l *line) take(ctx context.Context, n int) *sarama.ConsumerMessage {
	if l.received.Load() <= int64(n) {
		select {
		case <-l.filled[n/block]:
		case <-ctx.Done():
			return nil
		}
	}
	m := l.ring[n%len(l.ring)].Swap(nil)
	if n%block == 0 {
		close(l.emptied[n/block])
	}
	return m
}

// consumeLeast does what no consumer on sarama can do without, and nothing else: workers take the messages of all
// partitions in turn from rings that bare loops fill. Nobody knows which are done. All partitions must have as many.
func consumeLeast(ctx context.Context, r *run) error {
	var lines []*line
	for _, total := range r.Load.Totals() {
		lines = append(lines, newLine(int(total), r.Window))
	}
	var workers sync.WaitGroup
	var next atomic.Int64
	for range r.Workers {
		workers.Go(func() {
			for ctx.Err() == nil {
				n := int(next.Add(1) - 1)
				if n >= r.Load.Messages {
					return
				}
				if m := lines[n%len(lines)].take(ctx, n/len(lines)); m != nil {
					r.meter.Do(placeOf(m))
				}
			}
		})
	}
	defer workers.Wait()
	return r.consumeClaims(ctx, func(session sarama.ConsumerGroupSession, messages <-chan *sarama.ConsumerMessage) {
		if m, ok := <-messages; ok {
			lines[m.Partition].fill(session, m, messages)
		}
	})
}
