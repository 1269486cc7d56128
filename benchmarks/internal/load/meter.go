package load

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Meter is the handler of every arm: it does the work and counts. Its methods
// are safe for concurrent use.
type Meter struct {
	work  Work
	sleep func(time.Duration)
	parts []part
	left  atomic.Int64 // partitions not yet complete

	begun    atomic.Bool
	first    sync.Once
	start    sample
	startCh  chan struct{}
	end      sample
	done     chan struct{}
	inFlight atomic.Int64
	peak     atomic.Int64

	// Before and After, if not nil, are called for every message at both ends of its handling.
	Before, After func(Place)
}

// part counts one partition, on a cache line of its own.
type part struct {
	count, sum atomic.Int64
	total      int64
	_          [104]byte
}

// NewMeter returns a meter that is done when each partition that counts has had
// its total of messages. It waits by sleep; a [Clock] has an exact one.
func NewMeter(work Work, totals []int64, sleep func(time.Duration)) *Meter {
	m := &Meter{work: work, sleep: sleep, parts: make([]part, len(totals)), startCh: make(chan struct{}), done: make(chan struct{})}
	for i, total := range totals {
		m.parts[i].total = total
		if total > 0 && work.Counts(i) {
			m.left.Add(1)
		}
	}
	return m
}

// Do handles a message.
func (m *Meter) Do(p Place) {
	if !m.begun.Load() {
		m.begin()
	}
	if m.Before != nil {
		m.Before(p)
	}
	if d := m.work.Of(p); d > 0 {
		m.enter()
		m.sleep(d)
		m.inFlight.Add(-1)
	}
	if m.After != nil {
		m.After(p)
	}
	m.count(p)
}

func (m *Meter) begin() {
	m.first.Do(func() {
		m.start = take()
		close(m.startCh)
		m.begun.Store(true)
	})
}

func (m *Meter) enter() {
	now := m.inFlight.Add(1)
	for peak := m.peak.Load(); now > peak && !m.peak.CompareAndSwap(peak, now); {
		peak = m.peak.Load()
	}
}

func (m *Meter) count(p Place) {
	part := &m.parts[p.Partition]
	part.sum.Add(p.Offset)
	n := part.count.Add(1)
	if n == part.total && m.work.Counts(int(p.Partition)) && m.left.Add(-1) == 0 {
		m.end = take()
		close(m.done)
	}
}

// Started is closed when the first message came.
func (m *Meter) Started() <-chan struct{} { return m.startCh }

// Done is closed when all that counts was handled.
func (m *Meter) Done() <-chan struct{} { return m.done }

// Figures are what was measured from the first message to the last.
type Figures struct {
	Handled int64   // messages that count
	Seconds float64 // from the start of the first to the end of the last
	CPU     float64 // seconds of CPU that the process used meanwhile
	Allocs  float64 // objects allocated meanwhile
	Bytes   float64 // bytes allocated meanwhile
	Peak    int64   // most at once; 0 when the work is none
	Cut     bool    // the time was up before all were handled
}

// Figures returns what was measured; before Done, up to now.
func (m *Meter) Figures() Figures {
	f := Figures{Peak: m.peak.Load()}
	end := m.end
	select {
	case <-m.done:
	default:
		end, f.Cut = take(), true
	}
	for i := range m.parts {
		if m.work.Counts(i) {
			f.Handled += m.parts[i].count.Load()
		}
	}
	f.Seconds = end.at.Sub(m.start.at).Seconds()
	f.CPU = end.cpu - m.start.cpu
	f.Allocs, f.Bytes = end.allocs-m.start.allocs, end.bytes-m.start.bytes
	return f
}

// Check tells whether every message of the partitions that count came exactly once.
func (m *Meter) Check() error {
	for i := range m.parts {
		p := &m.parts[i]
		if !m.work.Counts(i) {
			continue
		}
		if n, sum := p.count.Load(), p.sum.Load(); n != p.total || sum != n*(n-1)/2 {
			return fmt.Errorf("partition %d: %d of %d messages were handled, their offsets add up to %d instead of %d",
				i, n, p.total, sum, p.total*(p.total-1)/2)
		}
	}
	return nil
}
