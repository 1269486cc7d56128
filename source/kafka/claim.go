package kafka

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/IBM/sarama"

	"github.com/vlab-research/burrow/source"
)

// place is a partition of a topic.
type place struct {
	topic     string
	partition int32
}

// claim is one tenure of a partition. It is over when nothing more may be
// received, and ended when its ConsumeClaim returns; until then it can commit.
type claim struct {
	place
	commits  *committer // of the source that handed it out
	session  sarama.ConsumerGroupSession
	messages <-chan *sarama.ConsumerMessage
	mark     func() int64
	id       sarama.Uuid // of the topic; zero if the brokers have none
	start    int64
	skipped  int64 // what the log has lost in front of start; -1 until that is told

	over atomic.Bool
	done chan struct{}
	once sync.Once

	mu    sync.Mutex
	ended error // why nothing is committed any more
	pause func(map[string][]int32)
	play  func(map[string][]int32)
}

var _ source.Claim = (*claim)(nil)

// newClaim makes the claim of a new tenure, which fetches even if the one before
// was paused: sarama keeps a partition's pause across reassignments.
func newClaim(commits *committer, group sarama.ConsumerGroup, session sarama.ConsumerGroupSession, from sarama.ConsumerGroupClaim) *claim {
	c := &claim{
		place:    place{from.Topic(), from.Partition()},
		commits:  commits,
		session:  session,
		messages: from.Messages(),
		mark:     from.HighWaterMarkOffset,
		skipped:  -1,
		done:     make(chan struct{}),
		pause:    group.Pause,
		play:     group.Resume,
	}
	c.Resume()
	return c
}

func (c *claim) Topic() string    { return c.topic }
func (c *claim) Partition() int32 { return c.partition }
func (c *claim) Start() int64     { return c.start }

func (c *claim) HighWatermark() int64 { return max(c.mark(), c.start) }

// atOnce is how many messages are taken from Sarama's channel before the first is looked at. All are cold memory: looked
// at one right after the other they are fetched at the same time, while a channel's lock would wait for each.
const atOnce = 16

// Receive looks for ready messages first, without a wait, which costs no
// allocation and one channel operation each.
func (c *claim) Receive(into []source.Delivery, wake <-chan struct{}) (n int, err error) {
	var batch [atOnce]*sarama.ConsumerMessage
	for !c.over.Load() {
		got, err := c.gather(batch[:min(len(into), atOnce)], wake)
		if err != nil {
			return 0, err
		}
		for _, m := range batch[:got] {
			// Sarama read its start before ours was pinned.
			if m.Offset >= c.start {
				into[n] = source.Delivery{Message: message{m}, Offset: m.Offset, Size: sizeOf(m)}
				n++
			}
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, source.ErrClosed
}

// gather takes what is ready, or waits for one.
func (c *claim) gather(batch []*sarama.ConsumerMessage, wake <-chan struct{}) (n int, err error) {
	for open := true; open && n < len(batch); {
		select {
		case batch[n], open = <-c.messages:
			if open {
				n++
			}
		default:
			open = false
		}
	}
	if n > 0 {
		return n, nil
	}
	batch[0], err = c.wait(wake)
	return 1, err
}

func (c *claim) wait(wake <-chan struct{}) (*sarama.ConsumerMessage, error) {
	select {
	case m, open := <-c.messages:
		if !open {
			return nil, source.ErrClosed
		}
		return m, nil
	case <-c.done:
		return nil, source.ErrClosed
	case <-wake:
		return nil, source.ErrWoken
	}
}

func (c *claim) Pause()  { c.switchTo(c.pause) }
func (c *claim) Resume() { c.switchTo(c.play) }

// switchTo does nothing once the tenure has ended: the partition may be in another.
func (c *claim) switchTo(f func(map[string][]int32)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil {
		f(map[string][]int32{c.topic: {c.partition}})
	}
}

// finish ends the delivery.
func (c *claim) finish() {
	c.once.Do(func() {
		c.over.Store(true)
		close(c.done)
	})
}

// finishWith ends the delivery with the session. Sarama closes the channel of
// messages only after the long poll that is under way.
func (c *claim) finishWith(ctx context.Context) (release func() bool) {
	return context.AfterFunc(ctx, c.finish)
}

// end ends the tenure.
func (c *claim) end() { c.endAs(errEnded) }

// endAs ends the tenure for a reason, which is the verdict on its commits from then on.
func (c *claim) endAs(reason error) {
	c.finish()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil {
		c.ended = reason
	}
}

// whyEnded returns why the claim can't commit any more, nil while it can.
func (c *claim) whyEnded() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}
