package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/sirupsen/logrus"

	"github.com/vlab-research/burrow/source"
)

// member is a running source: one member of the group.
type member struct {
	*Source
	handler source.Handler
	fail    func(error) // ends the run
	began   time.Time

	asks    *link // for metadata and the bounds of logs
	commits *committer
	lines   *link // the group's own client
	group   sarama.ConsumerGroup

	pins    *gatherer[source.Commit]
	calls   crew // calls into sarama that may outlast their caller
	serving crew // ConsumeClaims
	jobs    crew // watch and listen

	trouble chan struct{} // asks watch for a look

	mu         sync.Mutex
	generation int32
	joined     bool
	cause      error // why the last session ended
	gone       map[string]bool
	restart    context.CancelCauseFunc
	claims     map[place]*claim
	assigned   map[place]bool // in this generation
	asked      *inquiry       // about it
	measurers  map[int32]*gatherer[*measurement]
	ids        *topicIDs
}

func newMember(s *Source, h source.Handler, fail func(error)) *member {
	m := &member{
		Source: s, handler: h, fail: fail, began: time.Now(), generation: -1,
		trouble: make(chan struct{}, 1), gone: make(map[string]bool), claims: make(map[place]*claim),
		ids: newTopicIDs(), measurers: make(map[int32]*gatherer[*measurement]),
	}
	m.pins = &gatherer[source.Commit]{calls: &m.calls, sendFunc: m.pinAll}
	return m
}

// Setup begins a session, which can be without claims.
func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.joinedAs(session.Claims(), session.GenerationID())
	return nil
}

// Cleanup ends a session.
func (m *member) Cleanup(session sarama.ConsumerGroupSession) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cause = context.Cause(session.Context())
	return nil
}

// joinedAs notes an assignment. Claims that are not in it stop receiving at once;
// sarama closes them after the long poll that is under way.
func (m *member) joinedAs(topics map[string][]int32, generation int32) {
	m.rebalance.joining.Store(false)
	m.mu.Lock()
	if m.joined && m.generation == generation {
		m.mu.Unlock()
		return
	}
	held := make(map[place]bool)
	m.joined, m.generation, m.assigned, m.asked = true, generation, held, nil
	for topic, partitions := range topics {
		for _, p := range partitions {
			held[place{topic, p}] = true
		}
	}
	for p, c := range m.claims {
		if !held[p] {
			c.finish()
		}
	}
	m.mu.Unlock()
	m.health.setMember(nil)
	m.handler.Assigned(len(held))
}

// ConsumeClaim serves one tenure. Returning before the claim is closed ends the
// whole session, so that the group is joined anew.
func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, from sarama.ConsumerGroupClaim) error {
	if !m.serving.enter() {
		return nil
	}
	defer m.serving.leave()
	c := newClaim(m.commits, m.group, session, from)
	defer c.end()
	defer c.finishWith(session.Context())()
	if err := m.locate(c, from.InitialOffset()); err != nil {
		m.refused(session, err)
		return nil
	}
	m.keep(c)
	defer m.forget(c)
	m.handler.Serve(c)
	return nil
}

// refused tells why a claim couldn't be served.
func (m *member) refused(session sarama.ConsumerGroupSession, err error) {
	switch {
	case session.Context().Err() != nil:
	case errors.Is(err, source.ErrDenied):
		m.fail(err)
	default:
		m.log.WithError(err).Warn("kafka: the session starts again")
	}
}

func (m *member) keep(c *claim) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.claims[c.place] = c
	if m.isOutdated(c) { // since it was located
		m.look()
	}
}

func (m *member) forget(c *claim) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.claims, c.place)
}

// listen tells what sarama reports of its own accord, until the group is closed.
func (m *member) listen() {
	said := make(map[string]bool)
	for err := range m.group.Errors() {
		if reason := m.hopeless(err); reason != nil {
			m.fail(reason)
			continue
		}
		m.look()
		// The same trouble comes back every few seconds for every partition.
		if text := err.Error(); !said[text] {
			if len(said) > 1000 {
				clear(said)
			}
			said[text] = true
			m.log.WithFields(where(err)).WithError(err).Warn("kafka: sarama reports trouble and goes on")
		}
	}
}

// hopeless returns the error to end with, if sarama's can't pass.
func (m *member) hopeless(err error) error {
	if isFinal(err) {
		return explain(err, m.brokers)
	}
	if errors.Is(err, sarama.ErrOffsetOutOfRange) && !m.config.Consumer.Group.ResetInvalidOffsets {
		return fmt.Errorf("kafka: a position is not in the log any more, and Consumer.Group.ResetInvalidOffsets is off: %w", err)
	}
	return nil
}

func where(err error) logrus.Fields {
	if e, ok := errors.AsType[*sarama.ConsumerError](err); ok {
		return logrus.Fields{"topic": e.Topic, "partition": e.Partition}
	}
	return nil
}
