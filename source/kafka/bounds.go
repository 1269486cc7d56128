package kafka

import (
	"cmp"
	"context"
	"slices"

	"github.com/IBM/sarama"
)

// bounds are what a partition's log and its group hold.
type bounds struct {
	provenance
	oldest, newest int64
}

// start returns where to read from, and whether the group has that stored already.
// Only what has never been read may start at the newest message.
func (b bounds) start(initial int64) (offset int64, isStored bool) {
	switch {
	case b.offset >= b.oldest && b.offset <= b.newest && !b.isForeign():
		return b.offset, true
	case b.offset < 0 && initial == sarama.OffsetNewest && !b.renewed:
		return b.newest, false
	default:
		return b.oldest, false
	}
}

// isPassed reports whether sarama, which begins at initial, may be behind start already.
func (b bounds) isPassed(initial, start int64) bool {
	switch initial {
	case sarama.OffsetOldest:
		return false
	case sarama.OffsetNewest:
		return b.offset >= 0 || b.renewed
	default:
		return initial > start
	}
}

// measurement is a question, and has room for the answer.
type measurement struct {
	place
	bounds
}

// bounds reads again what the group has stored: an attempt before may have pinned the start.
// The claim is there already, so the newest offset isn't behind the one at which sarama begins.
func (m *member) bounds(ctx context.Context, p place, from provenance) (bounds, error) {
	leader, err := await(ctx, &m.calls, func() (*sarama.Broker, error) { return m.asks.Leader(p.topic, p.partition) })
	if err != nil {
		return bounds{}, err
	}
	q := &measurement{place: p}
	if err := m.measurer(leader.ID()).ask(ctx, q); err != nil {
		_, _ = await(ctx, &m.calls, func() (struct{}, error) { return struct{}{}, m.asks.RefreshMetadata(p.topic) })
		return bounds{}, err
	}
	from.stored = q.stored
	return bounds{from, q.oldest, q.newest}, nil
}

// measurer returns the one for the logs of a leader, so that none waits for another broker.
func (m *member) measurer(leader int32) *gatherer[*measurement] {
	m.mu.Lock()
	defer m.mu.Unlock()
	g := m.measurers[leader]
	if g == nil {
		g = &gatherer[*measurement]{calls: &m.calls, sendFunc: func(all []*measurement) []error { return m.measureAll(leader, all) }}
		m.measurers[leader] = g
	}
	return g
}

// measureAll fills in the answers of partitions that have one leader.
func (m *member) measureAll(leader int32, all []*measurement) []error {
	places := make([]place, len(all))
	for i, q := range all {
		places[i] = q.place
	}
	have, err := m.committed(places...)
	if err != nil {
		return slices.Repeat([]error{err}, len(all))
	}
	oldest, errs := m.edges(leader, places, sarama.OffsetOldest)
	newest, more := m.edges(leader, places, sarama.OffsetNewest)
	for i, q := range all {
		q.stored, q.oldest, q.newest = have[q.place], oldest[i], newest[i]
		errs[i] = cmp.Or(errs[i], more[i])
	}
	return errs
}

// edges asks a leader for the oldest or newest offsets of partitions.
func (m *member) edges(leader int32, places []place, which int64) ([]int64, []error) {
	offsets, errs := make([]int64, len(places)), make([]error, len(places))
	request := sarama.NewOffsetRequest(m.config.Version)
	for _, p := range places {
		request.AddBlock(p.topic, p.partition, which, 1)
	}
	response, err := m.askLeader(leader, request)
	for i, p := range places {
		if errs[i] = err; err == nil {
			offsets[i], errs[i] = edge(response.GetBlock(p.topic, p.partition))
		}
	}
	return offsets, errs
}

func (m *member) askLeader(id int32, request *sarama.OffsetRequest) (*sarama.OffsetResponse, error) {
	broker, err := m.asks.Broker(id)
	if err != nil {
		return nil, err
	}
	response, err := broker.GetAvailableOffsets(request)
	if err != nil {
		_ = broker.Close()
	}
	return response, err
}

func edge(block *sarama.OffsetResponseBlock) (int64, error) {
	switch {
	case block == nil:
		return 0, sarama.ErrIncompleteResponse
	case block.Err != sarama.ErrNoError:
		return 0, block.Err
	case len(block.Offsets) != 1:
		return 0, sarama.ErrOffsetOutOfRange
	default:
		return block.Offsets[0], nil
	}
}
