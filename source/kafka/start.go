package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

// newTopicPatience is how long a start waits for a topic that is unknown.
const newTopicPatience = 5 * time.Second

// start reaches the brokers, finds the topics and the group's coordinator, and
// makes the group, all within the start timeout.
func (m *member) start(ctx context.Context) error {
	timeout := m.settings.startTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %v (WithStartTimeout)", timeout))
	defer cancel()
	if err := m.connect(); err != nil {
		return err
	}
	_, err := await(ctx, &m.calls, func() (struct{}, error) { return struct{}{}, m.inquire(ctx) })
	if err != nil {
		return explain(err, m.brokers)
	}
	m.group, err = sarama.NewConsumerGroupFromClient(m.groupID, m.lines)
	if err != nil {
		return fmt.Errorf("kafka: joining group %q: %w", m.groupID, err)
	}
	m.rebalance.assigned = m.joinedAs
	m.Source.committer.Store(m.commits)
	return nil
}

// connect makes the clients, which open no connection yet. Three, because a call
// that waits for one broker holds up the others of its client.
func (m *member) connect() error {
	patience := max(m.settings.startTimeout, m.settings.commitTimeout)
	var errs [3]error
	var commits *link
	m.asks, errs[0] = connect(m.brokers, askConfig(m.config, patience))
	commits, errs[1] = connect(m.brokers, askConfig(m.config, m.settings.commitTimeout))
	m.lines, errs[2] = connect(m.brokers, m.config)
	if commits != nil {
		m.commits = newCommitter(commits, m.groupID, m.settings.commitTimeout, m.rebalance, &m.calls)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	return nil
}

// inquire asks for the topics and for the coordinator of the group.
func (m *member) inquire(ctx context.Context) error {
	if err := m.findTopics(ctx); err != nil {
		return err
	}
	if err := m.asks.RefreshCoordinator(m.groupID); err != nil {
		return fmt.Errorf("group %q: %w", m.groupID, err)
	}
	return nil
}

// findTopics asks again for a topic that is unknown: brokers learn of a new one after
// each other.
func (m *member) findTopics(ctx context.Context) error {
	patience := min(newTopicPatience, m.settings.startTimeout/2)
	for began := time.Now(); ; sleep(ctx, m.config.Metadata.Retry.Backoff) {
		err := m.asks.RefreshMetadata(m.topics...)
		switch {
		case err == nil || onlyLeaderless(err):
			return nil
		case !errors.Is(err, sarama.ErrUnknownTopicOrPartition) || ctx.Err() != nil || time.Since(began) >= patience:
			return err
		}
	}
}

// onlyLeaderless reports whether the topics exist, but some partitions have no
// leader just now. Sarama waits for those.
func onlyLeaderless(err error) bool {
	return errors.Is(err, sarama.ErrLeaderNotAvailable) && !isFinal(err) &&
		!errors.Is(err, sarama.ErrUnknownTopicOrPartition) && !errors.Is(err, sarama.ErrOutOfBrokers)
}

// stop ends what start began. It is called when nothing is served any more.
func (m *member) stop() error {
	m.health.setMember(errStopped)
	var errs []error
	if m.group != nil {
		errs = append(errs, m.within("leaving the group", func() { m.leave() }, m.lines.lines))
	}
	for _, l := range m.links() {
		errs = append(errs, m.within("closing a client", l.close, l.lines))
	}
	for name, crew := range map[string]*crew{"background jobs": &m.jobs, "requests": &m.calls} {
		if !waitFor(crew.close()) {
			errs = append(errs, fmt.Errorf("kafka: %s did not end within %v", name, closeTimeout))
		}
	}
	return errors.Join(errs...)
}

func (m *member) leave() {
	if err := m.group.Close(); err != nil {
		m.log.WithError(err).Warn("kafka: leaving the group failed: its partitions are free after the session timeout")
	}
}

func (m *member) links() []*link {
	var links []*link
	if m.asks != nil {
		links = append(links, m.asks)
	}
	if m.commits != nil {
		links = append(links, m.commits.link)
	}
	if m.lines != nil {
		links = append(links, m.lines)
	}
	return links
}

// within runs f, cuts the connections when it takes too long, and gives it up
// when that doesn't help either.
func (m *member) within(what string, f func(), lines *dialer) error {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	if waitFor(done) {
		return nil
	}
	lines.close()
	if waitFor(done) {
		m.log.Warnf("kafka: %s took longer than %v: connections were cut", what, closeTimeout)
		return nil
	}
	return fmt.Errorf("kafka: %s did not end after its connections to %s were cut", what, strings.Join(m.brokers, ", "))
}

// waitFor waits for done, at most closeTimeout, and tells whether it came.
func waitFor(done <-chan struct{}) bool {
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}
