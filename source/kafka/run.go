package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/IBM/sarama"
	"github.com/cenkalti/backoff/v4"

	"github.com/vlab-research/burrow/source"
)

const (
	// closeTimeout is how long sarama may take to end before its connections are cut.
	closeTimeout = 5 * time.Second
	// soon is what a session lasts at least that ended in good order.
	soon = time.Second
)

// Run joins the group and serves its partitions until ctx ends, as
// [source.Source] says. It returns an error when no broker answers within the
// start timeout, when a topic doesn't exist and isn't created within five seconds, and, at any time, when the brokers
// refuse the client: credentials, rights, a configuration that doesn't fit the
// group. Later a lost broker or a deleted topic is only logged and shown in Health.
func (s *Source) Run(ctx context.Context, h source.Handler) error {
	if !s.ran.CompareAndSwap(false, true) {
		return errors.New("kafka: Run was called before: make a new source")
	}
	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m := newMember(s, h, func(err error) { cancel(failure{err}) })
	if err := m.start(running); err != nil {
		if ctx.Err() != nil {
			err = nil
		}
		return errors.Join(err, m.stop())
	}
	m.jobs.spawn(m.listen)
	m.jobs.spawn(func() { m.watch(running) })
	stuck := m.settle(running)
	cancel(nil)
	reason, _ := errors.AsType[failure](context.Cause(running))
	return errors.Join(reason.error, stuck, m.stop())
}

// failure marks the error that ends a run, among the causes of its context.
type failure struct{ error }

// settle runs the sessions, and when ctx ends waits for the claims, which end in
// their own time, and then for sarama.
func (m *member) settle(ctx context.Context) error {
	over := make(chan struct{})
	go func() {
		defer close(over)
		if err := m.sessions(ctx); err != nil {
			m.fail(err)
		}
	}()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
	}
	served := m.serving.close()
	select {
	case <-over:
		return nil
	case <-served:
		return m.within("the last session", func() { <-over }, m.lines.lines)
	}
}

// sessions joins the group again and again. It returns an error when that makes
// no sense.
func (m *member) sessions(ctx context.Context) error {
	pause := reconnecting()
	for ctx.Err() == nil {
		at := time.Now()
		err := m.session(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // that is how Run ends
		case err != nil && m.isHopeless(err):
			return fmt.Errorf("kafka: joining group %q: %w", m.groupID, explain(err, m.brokers))
		case err != nil:
			m.health.setMember(fmt.Errorf("kafka: joining group %q: %w", m.groupID, err))
			m.log.WithError(err).Warn("kafka: joining the group failed: trying again")
			m.look()
		case m.inOrder():
			pause.Reset()
			continue
		default:
			m.health.setMember(errRejoining)
			if time.Since(at) >= soon {
				pause.Reset()
				continue
			}
		}
		sleep(ctx, pause.NextBackOff())
	}
	return nil
}

// session joins once and returns when the session is over. Its context always says
// who ended it, see endedHere.
func (m *member) session(ctx context.Context) error {
	own, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	defer context.AfterFunc(ctx, func() { end(errStopped) })()
	topics := m.subscribe(end)
	if len(topics) == 0 {
		return fmt.Errorf("none of the topics exists: %w", sarama.ErrUnknownTopicOrPartition)
	}
	err := m.group.Consume(own, topics, m)
	if endedHere(own) {
		return nil
	}
	return err
}

// endedHere reports whether this package ended a session, not sarama or the broker. A
// request to join that is under way then still comes to its end.
func endedHere(session context.Context) bool {
	cause := context.Cause(session)
	return errors.Is(cause, errTopics) || errors.Is(cause, errStopped)
}

// subscribe notes how to end the session, and returns the topics that exist.
func (m *member) subscribe(restart context.CancelCauseFunc) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.restart, m.cause, m.generation = restart, nil, -1
	m.rebalance.generation.Store(-1)
	return slices.DeleteFunc(slices.Clone(m.topics), func(t string) bool { return m.gone[t] })
}

// isHopeless reports whether an error of joining ends the run: those that don't
// pass, and any while the source never was a member and its time is up.
func (m *member) isHopeless(err error) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return isFinal(err) || errors.Is(err, sarama.ErrClosedConsumerGroup) ||
		!m.joined && time.Since(m.began) >= m.settings.startTimeout
}

// inOrder reports whether the last session ended for a rebalance, so that others
// wait for this member.
func (m *member) inOrder() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return errors.Is(m.cause, sarama.ErrRebalanceInProgress) || errors.Is(m.cause, sarama.ErrSessionPartitionCountChanged)
}

// reconnecting is the pause between attempts: from 1 s to 10 s, without end.
func reconnecting() backoff.BackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(1500*time.Millisecond), backoff.WithRandomizationFactor(0.3),
		backoff.WithMaxInterval(10*time.Second), backoff.WithMaxElapsedTime(0))
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
