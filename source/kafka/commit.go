package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"github.com/vlab-research/burrow/source"
)

// entry is an offset to store for a claim.
type entry struct {
	*claim
	next int64
}

// sender is who a request is from: the broker answers it only in that generation.
type sender struct {
	session    sarama.ConsumerGroupSession
	member     string
	generation int32
	stamping   bool // the request says which topics its offsets are of
}

var errEnded = fmt.Errorf("the claim has ended: %w", source.ErrFenced)

// committer stores offsets over a client of its own. Sarama's session commits
// over the connection of the fetches, which it holds for a whole long poll.
type committer struct {
	link      *link
	group     string
	instance  *string
	timeout   time.Duration
	rebalance *rebalance
	calls     *crew
	// turn has one token: a commit never overtakes the one before.
	turn chan struct{}
	// moved says that the coordinator has to be looked up again.
	moved atomic.Bool
	// asking is true while an answer to a commit is awaited.
	asking atomic.Bool
	// plain says that the broker takes no metadata, not even a stamp.
	plain atomic.Bool
}

func newCommitter(l *link, group string, timeout time.Duration, r *rebalance, calls *crew) *committer {
	k := &committer{link: l, group: group, timeout: timeout, rebalance: r, calls: calls, turn: make(chan struct{}, 1)}
	if config := l.Config(); config.Consumer.Group.InstanceId != "" {
		k.instance = &config.Consumer.Group.InstanceId
	}
	return k
}

// commit stores the entries in one request and returns a verdict for each.
func (k *committer) commit(ctx context.Context, entries []entry) []error {
	ctx, cancel := context.WithTimeoutCause(ctx, k.timeout, fmt.Errorf("no answer within %v (WithCommitTimeout)", k.timeout))
	defer cancel()
	verdicts, err := k.inTurn(ctx, func() ([]error, error) { return k.send(ctx, entries) })
	if err != nil {
		verdicts = make([]error, len(entries))
		for i := range verdicts {
			verdicts[i] = err
		}
	}
	for i, err := range verdicts {
		if e := entries[i]; err != nil {
			verdicts[i] = fmt.Errorf("kafka: committing %s/%d at %d: %w", e.topic, e.partition, e.next, err)
		}
	}
	return verdicts
}

// inTurn runs f when the call before it has returned. When ctx ends while f waits
// for the answer to a commit, the connections are cut, which makes f return soon. The way to a
// coordinator is not cut: it takes several answers, and starting over each time
// would never lead there when they are slow.
func (k *committer) inTurn(ctx context.Context, f func() ([]error, error)) ([]error, error) {
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	verdicts, err := await(ctx, k.calls, func() ([]error, error) {
		defer func() { <-k.turn }()
		return f()
	})
	switch {
	case errors.Is(err, errShut):
		<-k.turn
	case ctx.Err() != nil && err != nil && k.asking.Load():
		k.moved.Store(true)
		k.link.lines.cut()
	}
	return verdicts, err
}

func (k *committer) send(ctx context.Context, entries []entry) ([]error, error) {
	coordinator, err := k.coordinator()
	if err != nil {
		return nil, err
	}
	if _, err := coordinator.Connected(); err != nil { // waits until it is
		k.moved.Store(true)
		return nil, refusal(err)
	}
	if ctx.Err() != nil { // the next commit finds the way ready
		return nil, context.Cause(ctx)
	}
	return k.ask(coordinator, entries)
}

// ask sends the request for the claims that have not ended. The generation is read
// first: an ended claim's offset must not go out under a later one, in which the
// partition may be another's, or this member's again and further. All entries are of
// one session: sarama ends all claims of one before the next.
func (k *committer) ask(coordinator *sarama.Broker, entries []entry) ([]error, error) {
	from := k.sender(entries[0].session)
	verdicts, live := make([]error, len(entries)), make([]entry, 0, len(entries))
	for i, e := range entries {
		if verdicts[i] = e.whyEnded(); verdicts[i] == nil {
			live = append(live, e)
		}
	}
	if len(live) == 0 {
		return verdicts, nil
	}
	k.asking.Store(true)
	defer k.asking.Store(false)
	response, err := coordinator.CommitOffset(k.request(from, live))
	if err != nil {
		k.moved.Store(true)
		_ = coordinator.Close()
		return nil, refusal(err)
	}
	k.judge(verdicts, entries, from, response)
	return verdicts, nil
}

// coordinator returns the group's broker. It blocks for the network.
func (k *committer) coordinator() (*sarama.Broker, error) {
	if k.moved.Swap(false) {
		if err := k.link.RefreshCoordinator(k.group); err != nil {
			k.moved.Store(true)
			return nil, refusal(err)
		}
	}
	broker, err := k.link.Coordinator(k.group)
	return broker, refusal(err)
}

// refusal marks an error that no retry changes.
func refusal(err error) error {
	if err != nil && isOneOf(err, refusals) {
		return fmt.Errorf("%w: %w", source.ErrDenied, err)
	}
	return err
}

// generation is the newest that this member was assigned; within a session they ascend.
func (k *committer) generation(session sarama.ConsumerGroupSession) int32 {
	return max(session.GenerationID(), k.rebalance.generation.Load())
}

func (k *committer) sender(session sarama.ConsumerGroupSession) sender {
	return sender{session, session.MemberID(), k.generation(session), !k.plain.Load()}
}

func (k *committer) request(from sender, entries []entry) *sarama.OffsetCommitRequest {
	r := sarama.NewOffsetCommitRequest(k.link.Config(), k.group)
	r.ConsumerID, r.ConsumerGroupGeneration = from.member, from.generation
	if r.Version >= 7 {
		r.GroupInstanceId = k.instance
	}
	for _, e := range entries {
		metadata := ""
		if from.stamping {
			metadata = stamp(e.id)
		}
		// Without the epoch of the message, -1 says unknown; AddBlock's 0 would be taken for one.
		r.AddBlockWithLeaderEpoch(e.topic, e.partition, e.next, -1, 0, metadata)
	}
	return r
}

// judge fills in the verdicts of the entries that were sent.
func (k *committer) judge(verdicts []error, entries []entry, from sender, got *sarama.OffsetCommitResponse) {
	ctx := from.session.Context()
	joining := k.rebalance.joining.Load() && (ctx.Err() == nil || endedHere(ctx))
	// A cooperative session lives through generations, so a commit that crossed a
	// rebalance was sent by a member that is still the owner.
	crossed := joining || k.generation(from.session) != from.generation
	for i, e := range entries {
		answer, ok := got.Errors[e.topic][e.partition]
		switch {
		case verdicts[i] != nil:
			continue
		case !ok:
			verdicts[i] = sarama.ErrIncompleteResponse
			continue
		case lost(answer):
			k.moved.Store(true)
		case answer == sarama.ErrOffsetMetadataTooLarge && from.stamping:
			k.plain.Store(true)
			verdicts[i] = answer // that may be tried again
			continue
		}
		verdicts[i] = verdict(answer, crossed)
	}
}
