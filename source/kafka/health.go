package kafka

import (
	"errors"
	"sync"
)

var (
	errNotJoined = errors.New("kafka: not yet a member of the group")
	errRejoining = errors.New("kafka: the session with the group was lost: joining again")
)

// health is what is wrong now, from two points of view. The zero value isn't ready: use newHealth.
type health struct {
	mu      sync.Mutex
	member  error
	brokers error
}

func newHealth() *health { return &health{member: errNotJoined} }

func (h *health) setMember(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.member = err
}

// setBrokers reports whether the state changed between well and not.
func (h *health) setBrokers(err error) (changed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	changed = (h.brokers == nil) != (err == nil)
	h.brokers = err
	return changed
}

func (h *health) error() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return errors.Join(h.member, h.brokers)
}
