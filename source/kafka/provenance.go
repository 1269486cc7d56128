package kafka

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/IBM/sarama"
)

// provenance is what a position is judged by: the topic's id, and what the group has stored.
type provenance struct {
	stored
	id      sarama.Uuid
	renewed bool // the topic was created again, and this member has seen no commit of the new one
}

// isForeign reports whether the group's offset is of an earlier topic of the name.
func (p provenance) isForeign() bool {
	return p.offset >= 0 && (!p.isOf(p.id) || p.renewed && !p.isStamped())
}

// allows reports whether sarama begins where it should.
func (p provenance) allows(initial int64) bool {
	return initial >= 0 && p.offset >= initial && !p.isForeign()
}

// inquiry asks for all partitions of an assignment at once.
type inquiry struct {
	done  chan struct{}
	found map[place]provenance
	err   error
}

// provenance is asked for after the assignment, and so after sarama has read the
// group's offsets: what changed in between shows.
func (m *member) provenance(ctx context.Context, p place) (provenance, error) {
	q := m.inquiry()
	select {
	case <-q.done:
	case <-ctx.Done():
		return provenance{}, context.Cause(ctx)
	}
	if found, ok := q.found[p]; ok || q.err != nil {
		return found, q.err
	}
	// The partition is on its way out again.
	found, err := await(ctx, &m.calls, func() (map[place]provenance, error) { return m.trace([]place{p}) })
	return found[p], err
}

// inquiry begins one, unless there is one of this assignment that hasn't failed.
func (m *member) inquiry() *inquiry {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.asked != nil && !m.asked.failed() {
		return m.asked
	}
	q, places := &inquiry{done: make(chan struct{})}, slices.Collect(maps.Keys(m.assigned))
	m.asked = q
	if !m.calls.spawn(func() {
		defer close(q.done)
		q.found, q.err = m.trace(places)
	}) {
		q.err = errShut
		close(q.done)
	}
	return q
}

func (q *inquiry) failed() bool {
	select {
	case <-q.done:
		return q.err != nil
	default:
		return false
	}
}

// trace asks for the ids first: an offset of an older topic is then never taken for one of a newer.
func (m *member) trace(places []place) (map[place]provenance, error) {
	if err := m.identify(); err != nil {
		return nil, err
	}
	have, err := m.committed(places...)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	found := make(map[place]provenance, len(have))
	for p, s := range have {
		found[p] = provenance{stored: s, id: m.ids.known[p.topic], renewed: m.ids.isRenewed(p)}
	}
	return found, nil
}

// committed returns what the group has stored for the partitions. It asks on the way of the
// metadata, because a commit may hold up the committer's.
func (m *member) committed(places ...place) (map[place]stored, error) {
	partitions := make(map[string][]int32)
	for _, p := range places {
		partitions[p.topic] = append(partitions[p.topic], p.partition)
	}
	request := sarama.NewOffsetFetchRequest(m.config.Version, m.groupID, partitions)
	response, err := askCoordinator(m, func(b *sarama.Broker) (*sarama.OffsetFetchResponse, error) { return b.FetchOffset(request) })
	if err != nil {
		return nil, err
	}
	have := make(map[place]stored, len(places))
	for _, p := range places {
		block := response.GetBlock(p.topic, p.partition)
		if block == nil {
			block = &sarama.OffsetFetchResponseBlock{Err: cmp.Or(response.Err, sarama.ErrUnknown)}
		}
		if block.Err != sarama.ErrNoError {
			if lost(block.Err) {
				_ = m.asks.RefreshCoordinator(m.groupID)
			}
			return nil, refusal(block.Err)
		}
		have[p] = stored{block.Offset, block.Metadata}
	}
	return have, nil
}

// askCoordinator asks the group's broker, and looks it up again when that fails.
func askCoordinator[T any](m *member, ask func(*sarama.Broker) (T, error)) (T, error) {
	broker, err := m.asks.Coordinator(m.groupID)
	if err != nil {
		var none T
		return none, refusal(err)
	}
	answer, err := ask(broker)
	if err != nil {
		_ = broker.Close()
		_ = m.asks.RefreshCoordinator(m.groupID)
	}
	return answer, refusal(err)
}
