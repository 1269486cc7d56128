package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/vlab-research/burrow/source"
)

// DefaultRebalanceTimeout is how long a group waits for a revoked partition, as in Kafka's clients.
const DefaultRebalanceTimeout = 60 * time.Second

// ErrCrashed is what Run returns after [Source.Crash].
var ErrCrashed = errors.New("memory: the source crashed")

// Source is one member of a consumer group, made by [Broker.Source]. Its methods
// are safe for concurrent use.
type Source struct {
	broker           *Broker
	group            *group
	topics           []string
	rebalanceTimeout time.Duration
	eager            bool
	prefetch         int
	news             chan struct{} // one token: look at granted and counts
	crashed          chan struct{}

	// Guarded by the broker's lock.
	phase      phase
	absent     bool // expired: the group goes on without it
	rejoining  bool
	generation int32
	serving    map[*claim]struct{}
	granted    []*claim // tenures whose Serve is not started yet
	counts     []int    // what Assigned is to be called with
}

var _ source.Source = (*Source)(nil)

// phase is where in its life a source is; it only goes forward.
type phase int

const (
	fresh phase = iota
	running
	stopping
	stopped
)

// Option changes a source from its defaults.
type Option func(*Source)

// WithRebalanceTimeout sets how long the group waits for this member to give up a
// revoked partition, which then goes on to its new owner while the old tenure is
// fenced. The default is [DefaultRebalanceTimeout]; 0 waits for ever.
func WithRebalanceTimeout(d time.Duration) Option {
	return func(s *Source) { s.rebalanceTimeout = max(0, d) }
}

// WithEager makes the whole group rebalance eagerly while this member is in it:
// every rebalance revokes every partition, and none is given out before all are free.
// The default is cooperative: only partitions that change their owner are revoked.
func WithEager() Option { return func(s *Source) { s.eager = true } }

// WithPrefetch makes a paused claim deliver up to n more messages that were there
// when it was paused, as a client does that fetched them already. The default is 0.
func WithPrefetch(n int) Option { return func(s *Source) { s.prefetch = max(0, n) } }

// Source makes a member of the group for these topics. It joins when it is run.
func (b *Broker) Source(groupName string, topics []string, opts ...Option) *Source {
	s := &Source{
		broker: b, topics: slices.Clone(topics), rebalanceTimeout: DefaultRebalanceTimeout,
		news: make(chan struct{}, 1), crashed: make(chan struct{}), serving: make(map[*claim]struct{}),
	}
	for _, opt := range opts {
		opt(s)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s.group = b.group(groupName)
	return s
}

// Run implements [source.Source]. It returns an error when a topic doesn't exist,
// when it was run before, and [ErrCrashed] after [Source.Crash].
func (s *Source) Run(ctx context.Context, h source.Handler) error {
	if err := s.join(ctx); err != nil {
		return err
	}
	var serving sync.WaitGroup
	for s.alive(ctx) {
		claims, counts := s.look()
		for _, c := range claims {
			serving.Go(func() {
				defer s.released(c)
				h.Serve(c)
			})
		}
		for _, n := range counts {
			h.Assigned(n)
		}
		select {
		case <-s.news:
		case <-ctx.Done():
		case <-s.crashed:
		}
	}
	s.stop()
	serving.Wait()
	return s.leave()
}

func (s *Source) join(ctx context.Context) error {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	if s.phase != fresh {
		return errors.New("memory: Run was called before; make another Source")
	}
	if len(s.topics) == 0 {
		return errors.New("memory: the source has no topics; name at least one in Broker.Source")
	}
	logs, err := s.logs()
	if err != nil {
		return err
	}
	s.phase = running
	if s.alive(ctx) {
		s.group.join(s, logs)
	}
	return nil
}

func (s *Source) logs() ([]*partition, error) {
	var logs []*partition
	for _, name := range s.topics {
		t, ok := s.broker.topics[name]
		if !ok {
			return nil, fmt.Errorf("memory: there is no topic %q; create it before the source runs", name)
		}
		logs = append(logs, t.partitions...)
	}
	return logs, nil
}

func (s *Source) alive(ctx context.Context) bool {
	select {
	case <-s.crashed:
		return false
	default:
		return ctx.Err() == nil
	}
}

// look takes what the group has for this member: tenures to serve, counts to report.
func (s *Source) look() ([]*claim, []int) {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	claims, counts := s.granted, s.counts
	s.granted, s.counts = nil, nil
	for _, c := range claims {
		s.serving[c] = struct{}{}
	}
	return claims, counts
}

// stop closes the claims. The member stays in its group until they are drained.
func (s *Source) stop() {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	s.phase = max(s.phase, stopping)
	for c := range s.serving {
		c.close()
	}
	for _, c := range s.granted { // never served
		s.group.released(c)
	}
	s.granted = nil
}

func (s *Source) leave() error {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	s.phase = stopped
	s.group.leave(s)
	select {
	case <-s.crashed:
		return ErrCrashed
	default:
		return nil
	}
}

func (s *Source) released(c *claim) {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	delete(s.serving, c)
	s.group.released(c)
	s.rejoin()
}

// takes returns whether the group may give this member the partition: it wants the
// topic, stays, and doesn't serve a tenure of it that it lost without knowing.
func (s *Source) takes(log *partition) bool {
	if s.phase != running || !slices.Contains(s.topics, log.topic) {
		return false
	}
	for c := range s.serving {
		if c.log == log && c.ended && !c.revoked {
			return false
		}
	}
	return true
}

// nudge makes Run look again.
func (s *Source) nudge() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// RebalanceTimeout implements [source.Source].
func (s *Source) RebalanceTimeout() time.Duration { return s.rebalanceTimeout }

// Health implements [source.Source]. A member that expired and doesn't know it
// is healthy, as it would be at a real broker.
func (s *Source) Health() error {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	if s.phase != running {
		return errors.New("memory: the source isn't running")
	}
	return nil
}
