package kafka

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/IBM/sarama"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
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

// Receive looks for a ready message first, without a wait, which costs no
// allocation and one channel operation.
func (c *claim) Receive(wake <-chan struct{}) (stage.Message, error) {
	for !c.over.Load() {
		m, open, ready := c.poll()
		if !ready {
			var err error
			if m, open, err = c.wait(wake); err != nil {
				return nil, err
			}
		}
		if !open {
			break
		}
		// Sarama read its start before ours was pinned.
		if m.Offset >= c.start {
			return message{m}, nil
		}
	}
	return nil, source.ErrClosed
}

func (c *claim) poll() (m *sarama.ConsumerMessage, open, ready bool) {
	select {
	case m, open = <-c.messages:
		return m, open, true
	default:
		return nil, false, false
	}
}

func (c *claim) wait(wake <-chan struct{}) (m *sarama.ConsumerMessage, open bool, err error) {
	select {
	case m, open = <-c.messages:
		return m, open, nil
	case <-c.done:
		return nil, false, nil
	case <-wake:
		return nil, false, source.ErrWoken
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
