package sim_test

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// ledger is what really happened, kept outside of the engine, and the judge of it.
// What breaks a promise is written down with the promise's letter; the run goes on.
type ledger struct {
	plan  *plan
	begun time.Time

	mu         sync.Mutex
	events     []event
	broken     []string
	seen       map[string]int // situations that were reached
	partitions []*history
	healed     bool
}

// event is a line of the trace.
type event struct {
	at   time.Duration
	text string
}

// history is what happened to one partition.
type history struct {
	produced []int64
	tenures  []*tenure
	stored   int64 // what the broker holds
	commits  []int64
	resolved map[int64]bool // in any tenure
	failed   map[int64]bool
	attempts map[int64]int
}

func newLedger(p *plan) *ledger {
	l := &ledger{plan: p, begun: time.Now(), seen: make(map[string]int)}
	for range p.partitions {
		l.partitions = append(l.partitions, &history{
			resolved: make(map[int64]bool), failed: make(map[int64]bool), attempts: make(map[int64]int),
		})
	}
	return l
}

// note adds a line to the trace. The ledger's mutex is held.
func (l *ledger) note(format string, args ...any) {
	l.events = append(l.events, event{time.Since(l.begun), fmt.Sprintf(format, args...)})
}

func (l *ledger) noteSafely(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(format, args...)
}

// breaks says which promise was broken. The ledger's mutex is held.
func (l *ledger) breaks(promise, format string, args ...any) {
	text := promise + ": " + fmt.Sprintf(format, args...)
	l.broken = append(l.broken, text)
	l.note("BROKEN %s", text)
}

func (l *ledger) breaksSafely(promise, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.breaks(promise, format, args...)
}

// reached counts a situation. The ledger's mutex is held.
func (l *ledger) reached(situation string) { l.seen[situation]++ }

func (l *ledger) reachedSafely(situation string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reached(situation)
}

func (l *ledger) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.healed = true
	l.note("healed: from now on nothing goes wrong")
}

// String returns the trace as it was written.
func (l *ledger) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, e := range l.events {
		fmt.Fprintf(&b, "%16v  %s\n", e.at, e.text)
	}
	return b.String()
}
