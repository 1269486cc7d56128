// Package windowbench times ways to know what may be committed. It isn't in a test
// because the tests of offsets and those of the benchmarks' module measure different ways alike.
package windowbench

import (
	"sync"
	"time"

	"github.com/vlab-research/burrow/offsets"
)

// Keeper is what a consumer needs: admit the messages in order, resolve them in any,
// by what admitting returned.
type Keeper[T any] interface {
	Admit(offset int64) T
	Resolve(handle T)
}

// Window is burrow's, with a snapshot and an acknowledgement for each thousand messages.
type Window struct {
	tracker *offsets.Tracker
	now     time.Time
}

// NewWindow returns an empty window without a limit.
func NewWindow() Keeper[offsets.Ticket] { return newWindow() }

func newWindow() *Window {
	return &Window{offsets.NewTracker(-1, offsets.Limits{Batch: 1000}), time.Now()}
}

// Admit takes a message in.
func (w *Window) Admit(offset int64) offsets.Ticket {
	ticket, err := w.tracker.Admit(offset, 100, w.now)
	if err != nil {
		panic(err)
	}
	return ticket
}

// Resolve settles a message, and commits when that is due.
func (w *Window) Resolve(ticket offsets.Ticket) {
	if _, due := w.tracker.Resolve(ticket); due {
		offset, _ := w.tracker.Snapshot(offsets.Ordered{}, w.now)
		w.tracker.Ack(offset)
	}
}

// table is the usual way: a map of what is processed, behind a mutex.
type table struct {
	mu          sync.Mutex
	processed   map[int64]bool
	committable int64
}

// NewMap returns a map of what is processed, behind a mutex.
func NewMap() Keeper[int64] { return &table{processed: make(map[int64]bool), committable: -1} }

func (t *table) Admit(offset int64) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.processed[offset] = false
	return offset
}

func (t *table) Resolve(offset int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.processed[offset] = true
	for t.processed[t.committable+1] {
		t.committable++
		delete(t.processed, t.committable)
	}
}

// plain is the least that can be done behind a mutex: a ring of what is done, without
// limits, times, failures or acknowledgements.
type plain struct {
	mu         sync.Mutex
	done       []bool // a power of two of places
	head, next uint64
}

// NewPlain returns the floor: a ring behind a mutex that can do nothing else.
func NewPlain() Keeper[uint64] { return &plain{done: make([]bool, 1<<17)} }

func (p *plain) Admit(int64) uint64 {
	p.mu.Lock()
	ticket := p.next
	p.done[ticket&uint64(len(p.done)-1)] = false
	p.next++
	p.mu.Unlock()
	return ticket
}

func (p *plain) Resolve(ticket uint64) {
	p.mu.Lock()
	mask := uint64(len(p.done) - 1)
	p.done[ticket&mask] = true
	for p.head < p.next && p.done[p.head&mask] {
		p.head++
	}
	p.mu.Unlock()
}
