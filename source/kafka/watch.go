package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/IBM/sarama"
)

const (
	wellInterval    = 30 * time.Second
	troubleInterval = 2 * time.Second
	lookTimeout     = 10 * time.Second
	// calm is how long a look isn't repeated, however much trouble is reported.
	calm = time.Second
)

// errTopics ends a session because other topics exist than it began with.
var errTopics = errors.New("kafka: the topics changed")

// look asks for a look at the brokers soon.
func (m *member) look() {
	select {
	case m.trouble <- struct{}{}:
	default:
	}
}

// watch looks at the brokers and the topics now and then, and soon after trouble.
func (m *member) watch(ctx context.Context) {
	for ctx.Err() == nil {
		interval := wellInterval
		if m.health.error() != nil {
			interval = troubleInterval
		}
		timer := time.NewTimer(interval)
		select {
		case <-ctx.Done():
		case <-timer.C:
			m.inspect(ctx)
		case <-m.trouble:
			m.inspect(ctx)
			sleep(ctx, calm)
		}
		timer.Stop()
	}
}

func (m *member) inspect(ctx context.Context) {
	look, cancel := context.WithTimeoutCause(ctx, lookTimeout, fmt.Errorf("no answer within %v", lookTimeout))
	defer cancel()
	gone, err := await(look, &m.calls, m.survey)
	if ctx.Err() != nil {
		return
	}
	if err != nil && look.Err() != nil {
		m.asks.lines.cut()
	}
	if err != nil {
		err = explain(err, m.brokers)
	} else {
		m.note(gone)
		err = cmp.Or(m.lookAtIDs(look), m.missing(look, gone))
	}
	if changed := m.health.setBrokers(err); changed && err != nil {
		m.log.WithError(err).Error("kafka: the source is not healthy")
	} else if changed {
		m.log.Info("kafka: brokers and topics are back")
	}
}

func (m *member) lookAtIDs(ctx context.Context) error {
	_, err := await(ctx, &m.calls, func() (struct{}, error) { return struct{}{}, m.identify() })
	if err != nil {
		return fmt.Errorf("kafka: asking for the topics' ids: %w", err)
	}
	return nil
}

// missing says what isn't there of what the metadata promises.
func (m *member) missing(ctx context.Context, gone map[string]bool) error {
	if len(gone) > 0 {
		return fmt.Errorf("kafka: the cluster has no topic %q", slices.Sorted(maps.Keys(gone)))
	}
	_, err := await(ctx, &m.calls, func() (struct{}, error) { return struct{}{}, m.reach() })
	if ctx.Err() != nil {
		m.asks.lines.cut()
	}
	return err
}

// reach asks each broker that leads one of the claims, because the others answer
// for the metadata alone.
func (m *member) reach() error {
	asked := make(map[int32]bool)
	for _, p := range m.held() {
		leader, err := m.asks.Leader(p.topic, p.partition)
		if err != nil {
			return fmt.Errorf("kafka: %s/%d has no leader: %w", p.topic, p.partition, err)
		}
		if asked[leader.ID()] {
			continue
		}
		asked[leader.ID()] = true
		if _, err := m.asks.GetOffset(p.topic, p.partition, sarama.OffsetNewest); err != nil {
			return fmt.Errorf("kafka: broker %s, which leads %s/%d, doesn't answer: %w", leader.Addr(), p.topic, p.partition, err)
		}
	}
	return nil
}

func (m *member) held() []place {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.claims))
}

// survey returns the topics that don't exist, or the error that kept it from asking.
func (m *member) survey() (gone map[string]bool, err error) {
	err = m.asks.RefreshMetadata(m.topics...)
	if !errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		return nil, err
	}
	gone = make(map[string]bool)
	for _, topic := range m.topics {
		err := m.asks.RefreshMetadata(topic)
		switch {
		case errors.Is(err, sarama.ErrUnknownTopicOrPartition):
			gone[topic] = true
		case err != nil && !onlyLeaderless(err):
			return nil, err
		}
	}
	return gone, nil
}

// note has the group joined anew when topics went or came back: with a topic that
// doesn't exist in its subscription, sarama can't join at all.
func (m *member) note(gone map[string]bool) {
	m.mu.Lock()
	same, restart := maps.Equal(m.gone, gone), m.restart
	m.gone = gone
	m.mu.Unlock()
	if same {
		return
	}
	m.log.WithField("missing", slices.Sorted(maps.Keys(gone))).Error("kafka: topics were deleted or came back: joining the group for those that exist")
	if restart != nil {
		restart(errTopics)
	}
}
