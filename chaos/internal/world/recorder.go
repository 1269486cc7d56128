package world

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/vlab-research/burrow/chaos/internal/judge"
	"github.com/vlab-research/burrow/chaos/internal/ledger"
)

// settled is how old a line must be before it is judged, so that those of other
// processes that came before it have been read.
const settled = time.Second

// recorder brings the ledgers and what the run itself does to them in order, for the judge.
type recorder struct {
	mu        sync.Mutex
	judge     *judge.Judge
	processes []*process
	notes     []note
	backlog   func() bool
	say       func(format string, args ...any)
	machine   *machine
	told      int // broken promises
	err       error
}

// note is something that the run did at a time.
type note struct {
	at   int64
	tell func(j *judge.Judge, at int64)
}

// tell has the judge told of something that happens now.
func (r *recorder) tell(f func(j *judge.Judge, at int64)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, note{ledger.Now(), f})
}

func (r *recorder) add(p *process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.processes = append(r.processes, p)
}

// run feeds the judge until ctx ends.
func (r *recorder) run(ctx context.Context) {
	for pause(ctx, 200*time.Millisecond) == nil {
		r.pump(ledger.Now() - int64(settled))
	}
}

// finish feeds the judge with all that is left.
func (r *recorder) finish() error {
	r.pump(ledger.Now())
	return r.err
}

// pump judges what happened until the horizon.
func (r *recorder) pump(horizon int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.processes = slices.DeleteFunc(r.processes, func(p *process) bool {
		ended := !p.alive()
		lines, err := p.book.Read()
		if err != nil && r.err == nil {
			r.err = err
		}
		for _, l := range lines {
			if l.Kind == ledger.Assigned {
				p.joined.Store(true)
			}
		}
		p.lines = append(p.lines, lines...)
		return ended && len(p.lines) == 0
	})
	for r.next(horizon) { //nolint:revive // it judges one at a time
	}
	r.judge.Tick(horizon, !r.backlog())
	for _, broken := range r.judge.Broken()[r.told:] {
		r.told++
		r.say("BROKEN %s (%v)", broken, r.machine)
	}
}

// next judges the oldest line or note; false if none is old enough.
func (r *recorder) next(horizon int64) bool {
	at := horizon + 1
	var first *process
	for _, p := range r.processes {
		if len(p.lines) > 0 && p.lines[0].At < at {
			first, at = p, p.lines[0].At
		}
	}
	if len(r.notes) > 0 && r.notes[0].at < at {
		at = r.notes[0].at
		r.notes[0].tell(r.judge, at)
		r.notes = r.notes[1:]
		return true
	}
	if first == nil {
		return false
	}
	r.judge.Line(first.number, first.lines[0])
	first.lines = first.lines[1:]
	return true
}

// disturb notes a fault of a process, or of everyone.
func (r *recorder) disturb(kind string, process int) {
	r.tell(func(j *judge.Judge, at int64) { j.Disturb(kind, process, at) })
}

// ask has f look at the judge.
func (r *recorder) ask(f func(*judge.Judge)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r.judge)
}
