package offsets_test

import (
	"math"
	"slices"
	"time"

	"github.com/vlab-research/burrow/offsets"
)

// model is the window said again without cleverness: everything is computed anew
// from the list of all messages, contiguity by the oracle FindCommittableOffset.
type model struct {
	limits    offsets.Limits
	messages  []modelMessage
	start     int64
	committed int64
	closed    bool
	done      map[int64]bool // scratch of prefix

	// Since the last snapshot.
	asked       bool
	settled     int
	gained      int
	gainedBytes int64
	refused     bool
	refusedSize int64
}

type modelMessage struct {
	offset   int64
	size     int64
	state    offsets.State
	attempts int
	since    time.Time
}

func newModel(committed int64, limits offsets.Limits) *model {
	orMax := func(n int) int {
		if n <= 0 {
			return math.MaxInt
		}
		return n
	}
	limits.Messages, limits.Batch = orMax(limits.Messages), orMax(limits.Batch)
	if limits.Bytes <= 0 {
		limits.Bytes = math.MaxInt64
	}
	limits.Batch = min(limits.Batch, max(limits.Messages/4, 1))
	return &model{limits: limits, start: committed, committed: committed, done: make(map[int64]bool)}
}

func (m *model) delivered() int64 {
	if len(m.messages) == 0 {
		return m.start
	}
	return m.messages[len(m.messages)-1].offset
}

// prefix is how many messages, from the first on, are resolved or committed.
func (m *model) prefix() int {
	clear(m.done)
	for i, msg := range m.messages {
		m.done[int64(i)] = msg.state == offsets.Resolved || msg.offset <= m.committed
	}
	return int(offsets.FindCommittableOffset(m.done, -1, int64(len(m.messages)-1))) + 1
}

func (m *model) contiguous() int64 {
	if n := m.prefix(); n > 0 {
		return max(m.committed, m.messages[n-1].offset)
	}
	return m.committed
}

func (m *model) resolved() int64 {
	highest := m.contiguous()
	for _, msg := range m.messages {
		if msg.state == offsets.Resolved {
			highest = max(highest, msg.offset)
		}
	}
	return highest
}

// head is the index of the first message that is still in the window.
func (m *model) head() int {
	return index(m.messages, func(msg modelMessage) bool {
		return msg.offset > m.committed || msg.state == offsets.Pending
	})
}

func (m *model) window() []modelMessage { return m.messages[m.head():] }

func (m *model) bytes() (total int64) {
	for _, msg := range m.window() {
		total += msg.size
	}
	return total
}

func (m *model) count(state offsets.State) (n int) {
	for _, msg := range m.window() {
		if msg.state == state {
			n++
		}
	}
	return n
}

func (m *model) full(size int64) bool {
	n := len(m.window())
	return n > 0 && (n >= m.limits.Messages || m.bytes()+size > m.limits.Bytes)
}

func (m *model) admit(offset int64, size int, now time.Time) error {
	bytes := max(int64(size), 0)
	switch {
	case m.closed:
		return offsets.ErrClosed
	case offset <= m.delivered():
		return offsets.ErrStale
	case m.full(bytes):
		m.refused, m.refusedSize = true, bytes
		if m.due() || m.asked {
			return offsets.ErrDue
		}
		return offsets.ErrFull
	}
	m.refused = false
	m.messages = append(m.messages, modelMessage{offset: offset, size: bytes, since: now})
	return nil
}

// settle gives the message at i a new state, if that is allowed.
func (m *model) settle(i int, to offsets.State, attempts int, now time.Time) (changed, due bool) {
	msg := &m.messages[i]
	gone := m.closed || i < m.head()
	if gone || msg.state == offsets.Resolved || (to == offsets.Failed && msg.state == offsets.Failed) {
		return false, false
	}
	before := m.prefix()
	msg.state = to
	if to == offsets.Failed {
		msg.attempts, msg.since = attempts, now
	}
	if msg.offset > m.committed {
		m.settled++
	}
	m.gain(before)
	return true, m.due()
}

func (m *model) retry(i int, now time.Time) bool {
	msg := &m.messages[i]
	if m.closed || i < m.head() || msg.state != offsets.Failed || msg.offset <= m.committed {
		return false
	}
	msg.state, msg.since, msg.attempts = offsets.Pending, now, 0
	return true
}

// gain counts what has become contiguous and is not committed yet.
func (m *model) gain(before int) {
	for _, msg := range m.messages[before:max(m.prefix(), before)] {
		if msg.offset > m.committed {
			m.gained++
			m.gainedBytes += msg.size
		}
	}
}

func (m *model) due() bool {
	if m.asked {
		return false
	}
	m.asked = m.settled >= m.limits.Batch || m.gained >= m.limits.Batch ||
		m.gainedBytes >= max(m.limits.Bytes/4, 1) ||
		m.refused && (!m.full(m.refusedSize) || m.count(offsets.Pending) == 0 && m.settled > 0)
	return m.asked
}

func (m *model) snapshot(strategy offsets.CommitStrategy, now time.Time) (int64, bool) {
	if m.closed {
		return m.committed, false
	}
	m.asked, m.settled, m.gained, m.gainedBytes = false, 0, 0, 0
	offset := m.committable(strategy, now)
	return offset, offset > m.committed
}

func (m *model) committable(strategy offsets.CommitStrategy, now time.Time) int64 {
	if m.closed {
		return m.committed
	}
	v := offsets.NewView(m.committed, m.contiguous(), m.delivered(), now, m.unresolved()...)
	v.Resolved = m.resolved()
	return min(max(strategy.Committable(v), m.committed), m.delivered())
}

func (m *model) unresolved() (list []offsets.Unresolved) {
	for _, msg := range m.messages {
		if msg.offset > m.committed && msg.state != offsets.Resolved {
			list = append(list, offsets.Unresolved{
				Offset: msg.offset, State: msg.state, Attempts: msg.attempts, Since: msg.since,
			})
		}
	}
	return list
}

func (m *model) ack(offset int64) (due bool) {
	if m.closed || offset <= m.committed {
		return false
	}
	before := m.prefix()
	m.committed = min(offset, m.delivered())
	m.refused = false
	m.gain(before)
	return m.due()
}

func (m *model) usage() offsets.Usage {
	u := offsets.Usage{
		Committed: m.committed, Contiguous: m.contiguous(), Delivered: m.delivered(), Resolved: m.resolved(),
		Messages: len(m.window()), Bytes: m.bytes(),
		Pending: m.count(offsets.Pending), Failed: m.count(offsets.Failed),
		Uncommitted: len(m.messages) - index(m.messages, func(msg modelMessage) bool { return msg.offset > m.committed }),
	}
	u.Admitted = int64(len(m.messages))
	if open := m.unresolved(); len(open) > 0 {
		u.Oldest, u.Held = open[0], true
		u.Behind = len(m.messages) - m.prefix() - len(open)
	}
	return u
}

// index is slices.IndexFunc with the length for "none".
func index(messages []modelMessage, match func(modelMessage) bool) int {
	if i := slices.IndexFunc(messages, match); i >= 0 {
		return i
	}
	return len(messages)
}
