package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
	"github.com/cenkalti/backoff/v4"
	"github.com/sirupsen/logrus"

	"github.com/vlab-research/burrow/source"
)

// pinTimeout bounds how long a claim without a start holds up its session.
const pinTimeout = 10 * time.Second

// errReposition ends a session so that sarama reads from the offset just stored.
var errReposition = errors.New("kafka: the session starts again to read from the stored offset")

// locate finds the claim's start. Where sarama found no usable commit, the start is
// made one: otherwise a rebalance before the first commit would let the next
// owner of a group that starts at the newest message skip what came meanwhile.
func (m *member) locate(c *claim, initial int64) error {
	session := c.session.Context()
	ctx, cancel := outlast(session)
	defer cancel()
	retry := backoff.NewExponentialBackOff(backoff.WithInitialInterval(50*time.Millisecond), backoff.WithMaxInterval(time.Second), backoff.WithMaxElapsedTime(pinTimeout))
	err := backoff.Retry(func() error {
		err := m.begin(ctx, c, initial)
		if errors.Is(err, errReposition) || errors.Is(err, source.ErrFenced) || errors.Is(err, source.ErrDenied) {
			return backoff.Permanent(err)
		}
		return err
	}, backoff.WithContext(retry, session))
	if err != nil {
		return fmt.Errorf("kafka: pinning the start of %s/%d: %w", c.topic, c.partition, err)
	}
	return nil
}

// outlast returns a context that goes on when another claim ends the session to be read
// from elsewhere, so that one new session does for all of them.
func outlast(session context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(session), pinTimeout)
	release := context.AfterFunc(session, func() {
		if !errors.Is(context.Cause(session), sarama.ErrSessionConsumeClaimExited) {
			cancel()
		}
	})
	return ctx, func() { release(); cancel() }
}

// begin finds out where the claim comes from, and pins its start unless sarama has the right one.
func (m *member) begin(ctx context.Context, c *claim, initial int64) error {
	from, err := m.provenance(ctx, c.place)
	if err != nil {
		return err
	}
	c.id = from.id
	if from.allows(initial) {
		c.start = initial
		return nil
	}
	return m.pin(ctx, c, initial, from)
}

func (m *member) pin(ctx context.Context, c *claim, initial int64, from provenance) error {
	b, err := m.bounds(ctx, c.place, from)
	if err != nil {
		return err
	}
	start, isStored := b.start(initial)
	if !isStored {
		m.tellSkipped(c, b)
		if err := m.pins.ask(ctx, source.Commit{Claim: c, Next: start}); err != nil {
			return err
		}
	}
	m.pinned(c.place)
	if b.isPassed(initial, start) {
		return errReposition
	}
	c.start = start
	return nil
}

// pinAll stores starts in one request. The last is of the newest session; if there is one
// before, its claims have ended.
func (m *member) pinAll(starts []source.Commit) []error {
	last := starts[len(starts)-1].Claim.(*claim)
	ctx, cancel := outlast(last.session.Context())
	defer cancel()
	return m.Commit(ctx, starts)
}

func (m *member) pinned(p place) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ids.pinned[p] = true
}

// tellSkipped comes before the commit that hides what was skipped: its answer may be
// lost. Tried again, it is told once.
func (m *member) tellSkipped(c *claim, b bounds) {
	if b.offset < 0 {
		return
	}
	log := m.log.WithFields(logrus.Fields{
		"topic": c.topic, "partition": c.partition, "committed": b.offset, "oldest": b.oldest, "newest": b.newest,
	})
	skipped := max(0, b.oldest-b.offset)
	if b.isForeign() {
		skipped = 0
	}
	if c.skipped == skipped {
		return
	}
	c.skipped = skipped
	if b.isForeign() {
		log.Error("kafka: the group's committed offset is of an earlier topic of that name, which was deleted and created again: starting at the oldest message")
	} else {
		log.WithField("skipped", skipped).Error("kafka: the group's committed offset is not in the log any more: restarting from the oldest message")
	}
}
