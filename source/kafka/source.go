package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/sirupsen/logrus"

	"github.com/vlab-research/burrow/source"
)

// Source is one member of a consumer group of a Kafka cluster. Make it with
// [NewSource]. Its methods are safe for concurrent use, as [source.Source] says.
type Source struct {
	brokers  []string
	groupID  string
	topics   []string
	config   *sarama.Config
	settings *settings
	log      logrus.FieldLogger

	ran       atomic.Bool
	committer atomic.Pointer[committer]
	health    *health
	rebalance *rebalance
}

var _ source.Source = (*Source)(nil)

// NewSource returns a source that reads topics as a member of group. Brokers are
// addresses as host:port, of which one must answer when [Source.Run] starts;
// NewSource itself opens no connection.
//
// A partition for which the group has no commit is read from its oldest message,
// see [WithStartNewest]. All mistakes in the arguments and in sarama's
// configuration are returned together, each saying what to change.
func NewSource(brokers []string, group string, topics []string, opts ...Option) (*Source, error) {
	s := newSettings(opts)
	mistakes := slices.Concat(checkBrokers(brokers), checkTopics(topics), s.mistakes)
	if group == "" {
		mistakes = append(mistakes, errors.New("kafka: the group is empty: give the consumer group a name"))
	}
	config, err := s.sourceConfig()
	if err != nil {
		mistakes = append(mistakes, fmt.Errorf("kafka: WithSarama: %w", err))
	}
	if len(mistakes) > 0 {
		return nil, errors.Join(mistakes...)
	}
	r := new(rebalance)
	r.observe(config)
	return &Source{
		brokers: slices.Clone(brokers), groupID: group, topics: slices.Clone(topics),
		config: config, settings: s, log: s.log.WithField("group", group),
		health: newHealth(), rebalance: r,
	}, nil
}

// RebalanceTimeout returns sarama's Consumer.Group.Rebalance.Timeout, 60 s unless changed.
func (s *Source) RebalanceTimeout() time.Duration { return s.config.Consumer.Group.Rebalance.Timeout }

// Health returns nil while the source is a member of the group, its brokers
// answer and its topics exist. Lost brokers show within seconds where messages
// are fetched, else within half a minute.
func (s *Source) Health() error { return s.health.error() }

// Commit stores offsets in one request over a connection of its own, as
// [source.Source] says. Without trouble it takes one round trip.
func (s *Source) Commit(ctx context.Context, commits []source.Commit) []error {
	verdicts := make([]error, len(commits))
	committer := s.committer.Load()
	var entries []entry
	var at []int
	for i, c := range commits {
		own, ok := c.Claim.(*claim)
		if !ok || own.commits != committer {
			verdicts[i] = fmt.Errorf("kafka: committing at %d: the claim (%T) is not one that this source handed out: %w", c.Next, c.Claim, source.ErrFenced)
			continue
		}
		if err := own.whyEnded(); err != nil { // looked at again right before the request
			verdicts[i] = fmt.Errorf("kafka: committing %s/%d at %d: %w", own.topic, own.partition, c.Next, err)
			continue
		}
		entries, at = append(entries, entry{own, c.Next}), append(at, i)
	}
	if len(entries) == 0 {
		return verdicts
	}
	for i, err := range committer.commit(ctx, entries) {
		verdicts[at[i]] = err
	}
	return verdicts
}
