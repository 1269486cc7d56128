package offsets

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of [Tracker.Admit].
var (
	// ErrFull says that the window has no room. Try again after each [Tracker.Ack], and
	// after a due once its commit is through, or its snapshot had nothing new.
	ErrFull = errors.New("offsets: the window is full")
	// ErrDue is an [ErrFull] while a commit is due: nothing is pending that would ask
	// for it later, or it was asked for and there was no snapshot since.
	ErrDue = fmt.Errorf("%w and a commit is due", ErrFull)
	// ErrStale says that the offset is not above the last one delivered.
	ErrStale = errors.New("offsets: the offset was delivered before")
	// ErrClosed says that the tenure is over.
	ErrClosed = errors.New("offsets: the window is closed")
)

// Limits bound a window. A zero field is no limit.
type Limits struct {
	// Messages is the most messages delivered and not committed.
	Messages int
	// Bytes is the most bytes of such messages. One larger message gets in alone.
	Bytes int64
	// Batch is how many messages settle before a commit is due. Whatever it is, a
	// commit is due when a quarter of the window could be freed by one.
	Batch int
}

// Ticket stands for one admitted message. It is meaningful only to its tracker.
type Ticket uint64

// Tracker is the window of one claim for one tenure: the messages delivered and
// not yet committed, by order of delivery. Admit and Ack, Resolve and Fail cost
// O(1), amortised (an Ack of less than the contiguous offset searches the window,
// O(log n)), and allocate nothing once the window has grown to its working size
// (28 bytes a message).
//
// A Tracker is safe for concurrent use, but Admit is called by one goroutine at a
// time: only one can know which message is the next.
type Tracker struct {
	limits Limits
	base   time.Time // Since is kept relative to it
	start  int64     // what was committed before
	closed atomic.Bool

	_ [64]byte // what all read, what who admits writes and what settles are on different cache lines

	// Of the tickets ever given, in order: those below head have left the window,
	// those below committedEnd are committed, those below prefix are contiguous, and
	// those below next are admitted. Who admits moves next, without the mutex.
	next      atomic.Uint64
	admission admission

	_ [64]byte

	mu                         sync.Mutex
	marks                      ring[mark]
	slots                      ring[slot]
	head, committedEnd, prefix Ticket
	resolvedEnd                Ticket // those from here on are not resolved
	seen                       Ticket // next, at the last look: looking costs the cache lines of who admits
	seenBytes                  int64  // of what is before seen, ever
	done                       int    // messages that are not pending, of all that ever were admitted
	committed                  int64
	leftBytes                  int64 // of what is before head
	failed                     int
	passed                     int // unresolved, though they were committed past
	demand                     demand
}

// NewTracker returns an empty window behind the last committed offset: one less
// than the offset from which the claim starts, so −1 for a new partition.
func NewTracker(committed int64, limits Limits) *Tracker {
	if limits.Messages <= 0 {
		limits.Messages = math.MaxInt
	}
	if limits.Bytes <= 0 {
		limits.Bytes = math.MaxInt64
	}
	if limits.Batch <= 0 {
		limits.Batch = math.MaxInt
	}
	limits.Batch = min(limits.Batch, max(limits.Messages/4, 1))
	now := time.Now()
	t := &Tracker{
		limits: limits, base: now, start: committed, committed: committed,
		admission: admission{delivered: committed, now: now},
	}
	t.demand = t.newDemand()
	return t
}

// Resolve settles a message that needs no more work. It reports whether that
// changed anything: not so when the message has left the window, is resolved already, or
// the window is closed. Due asks for a snapshot, and a commit if that has something new;
// it is said once until the next snapshot. After an [ErrFull] it also says that there
// is room by now, or that nothing is pending any more.
func (t *Tracker) Resolve(ticket Ticket) (changed, due bool) {
	t.mu.Lock() // no defer here: it would cost as much as the rest
	t.lookFor(ticket)
	m := t.at(ticket)
	if !t.resolve(ticket, m) {
		changed, due = t.resolveLate(ticket, m)
		t.mu.Unlock()
		return changed, due
	}
	if ticket == t.prefix {
		t.extend(ticket + 1)
	}
	due = t.mayBeDue() && t.due()
	t.mu.Unlock()
	return true, due
}

// ResolveAll is [Tracker.Resolve] for n messages that were admitted one after the other, of which the first has the
// given ticket. It returns how many of them that changed.
func (t *Tracker) ResolveAll(first Ticket, n int) (changed int, due bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	end := first + Ticket(n)
	t.lookFor(end - 1)
	for ticket := first; ticket < end; ticket++ {
		m := t.at(ticket)
		isNew, isDue := t.resolve(ticket, m), false
		if !isNew {
			isNew, isDue = t.resolveLate(ticket, m)
		}
		if isNew {
			changed++
		}
		due = due || isDue
	}
	if first <= t.prefix && t.prefix < end {
		t.extend(t.prefix)
	}
	return changed, due || changed > 0 && t.mayBeDue() && t.due()
}

// resolve resolves a pending message that is not committed past, but doesn't move the prefix; false if it isn't one.
// The mutex is held.
func (t *Tracker) resolve(ticket Ticket, m *mark) bool {
	if m == nil || m.state != Pending || ticket < t.committedEnd {
		return false
	}
	m.state = Resolved
	t.done++
	t.resolvedEnd = max(t.resolvedEnd, ticket+1)
	return true
}

// resolveLate resolves a message that failed before or that a strategy committed past,
// if it is still in the window. The mutex is held.
func (t *Tracker) resolveLate(ticket Ticket, m *mark) (changed, due bool) {
	if m == nil || m.state == Resolved {
		return false, false
	}
	if m.state == Failed {
		t.failed--
		t.done-- // and done again
		t.demand.done--
	}
	m.state = Resolved
	t.resolvedEnd = max(t.resolvedEnd, ticket+1)
	if ticket == t.prefix {
		t.extend(ticket + 1)
	}
	t.finish(ticket, m)
	return true, t.due()
}

// Fail settles a pending message that is out of retries: it stays in the window
// and holds the contiguous offset.
func (t *Tracker) Fail(ticket Ticket, attempts int, now time.Time) (changed, due bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lookFor(ticket)
	m := t.at(ticket)
	if m == nil || m.state != Pending {
		return false, false
	}
	m.state = Failed
	m.attempts = uint16(min(max(attempts, 0), math.MaxUint16))
	t.slots.at(ticket).since = t.since(now)
	t.failed++
	t.finish(ticket, m)
	return true, t.due()
}

// Retry makes a failed message pending again.
func (t *Tracker) Retry(ticket Ticket, now time.Time) (changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lookFor(ticket)
	m := t.at(ticket)
	if m == nil || m.state != Failed || ticket < t.committedEnd {
		return false
	}
	*m = mark{}
	t.slots.at(ticket).since = t.since(now)
	t.failed--
	t.done--
	t.demand.done--
	return true
}

// at returns the mark of a message that is in the window as last looked at, else nil. The mutex is held.
func (t *Tracker) at(ticket Ticket) *mark {
	if ticket < t.head || ticket >= t.seen || t.closed.Load() {
		return nil
	}
	return t.marks.at(ticket)
}

// lookFor notices what was admitted meanwhile, if the ticket is newer than the last look.
// The mutex is held.
func (t *Tracker) lookFor(ticket Ticket) {
	if ticket >= t.seen {
		t.look()
	}
}

func (t *Tracker) look() {
	t.seen = t.end()
	t.seenBytes = t.bytesBefore(t.seen)
}

// Close ends the tenure: from now on nothing settles, is admitted or committed.
func (t *Tracker) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed.Store(true)
}

func (t *Tracker) since(now time.Time) int64 { return int64(now.Sub(t.base)) }
