package world

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"github.com/vlab-research/burrow/chaos/internal/judge"
	"github.com/vlab-research/burrow/chaos/internal/worker"
)

const (
	members    = 3
	maxMembers = 5
	// hung is how long a worker may take to end in rough times, where its last
	// commit and its leave may have to wait for the network.
	hung = 30 * time.Second
)

// fleet is the group's processes.
type fleet struct {
	dir      string
	job      worker.Job
	recorder *recorder
	static   bool

	mu      sync.Mutex
	names   map[string]*process // the last one with each static member's name
	number  int
	running []*process
	// failedStarts counts processes that gave up because no broker answered in time.
	failedStarts       int
	returned, replaced int
	exits              []error
	watchers           sync.WaitGroup
}

// join starts a worker. A static one takes a name that is free.
func (f *fleet) join() (*process, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := ""
	for i := 1; f.static; i++ {
		name = fmt.Sprintf("member-%d", i)
		before := f.names[name]
		if before == nil {
			break
		}
		if !before.alive() {
			if before.killed.Load() {
				f.returned++
			}
			break
		}
	}
	return f.start(name)
}

// replace starts a worker with the name of one that still lives.
func (f *fleet) replace(p *process) (*process, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	other, err := f.start(p.name)
	if err == nil {
		p.rival.Store(true)
		other.rival.Store(true)
	}
	return other, err
}

// keep leaves the name to the rival that lives.
func (f *fleet) keep(rivals ...*process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range rivals {
		if p.alive() {
			p.rival.Store(false)
			f.names[p.name] = p
		}
	}
}

func (f *fleet) start(name string) (*process, error) {
	f.number++
	job := f.job
	job.Instance = name
	p, err := startProcess(f.dir, f.number, job)
	if err != nil {
		return nil, err
	}
	p.name, f.names[name] = name, p
	f.running = append(f.running, p)
	f.recorder.add(p)
	f.recorder.disturb("join", judge.Everyone)
	f.watchers.Go(func() { f.watch(p) })
	return p, nil
}

// watch notes how a process ended.
func (f *fleet) watch(p *process) {
	<-p.done
	f.recorder.tell(func(j *judge.Judge, _ int64) { j.Gone(p.number) })
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, q := range f.running {
		if q == p {
			f.running = append(f.running[:i:i], f.running[i+1:]...)
			break
		}
	}
	switch {
	case p.asked.Load():
	case p.rival.Load() && p.fenced() == nil:
		f.replaced++
	case !p.joined.Load():
		f.failedStarts++
	case p.rival.Load():
		f.exits = append(f.exits, p.fenced())
	default:
		f.exits = append(f.exits, fmt.Errorf("process %d ended by itself: %w: %s", p.number, p.err, p.lastWords()))
	}
}

// pick returns a running process that wants neither to end nor is frozen.
func (f *fleet) pick(rng *rand.Rand) *process {
	draw := rng.Uint64()
	f.mu.Lock()
	defer f.mu.Unlock()
	var able []*process
	for _, p := range f.running {
		if !p.asked.Load() && !p.frozen.Load() && !p.rival.Load() {
			able = append(able, p)
		}
	}
	if len(able) == 0 {
		return nil
	}
	return able[draw%uint64(len(able))]
}

func (f *fleet) all() []*process {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*process(nil), f.running...)
}

// size counts the processes that are to go on: of two with one name, one.
func (f *fleet) size() int {
	n, rivals := 0, 0
	for _, p := range f.all() {
		switch {
		case p.asked.Load():
		case p.rival.Load():
			rivals = 1
		default:
			n++
		}
	}
	return n + rivals
}

// fill starts as many as are missing.
func (f *fleet) fill() error {
	for f.size() < members {
		if _, err := f.join(); err != nil {
			return err
		}
	}
	return nil
}

// awaitJoined waits until every running process has had an assignment.
func (f *fleet) awaitJoined(ctx context.Context) error {
	for {
		waiting := 0
		for _, p := range f.all() {
			if !p.joined.Load() {
				waiting = p.number
			}
		}
		if waiting == 0 {
			return nil
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("process %d doesn't join: %w", waiting, err)
		}
	}
}

// roll replaces every process, one after the other, in good order: the new one
// joins while the old one ends, or, of a static member, with its name when it has ended.
// It returns the slowest end.
func (f *fleet) roll(ctx context.Context) (slowest exit, err error) {
	for _, p := range f.all() {
		f.recorder.disturb("rolling restart", p.number)
		if !f.static {
			if _, err := f.join(); err != nil {
				return slowest, err
			}
		}
		e, err := p.terminate(hung)
		slowest = slower(slowest, e)
		if err != nil {
			return slowest, err
		}
		if f.static {
			if _, err := f.join(); err != nil {
				return slowest, err
			}
		}
		if err := f.awaitJoined(ctx); err != nil {
			return slowest, err
		}
	}
	return slowest, nil
}

// end ends every process at once, in good order.
func (f *fleet) end() (slowest exit, err error) {
	all := f.all()
	exits, errs := make([]exit, len(all)), make([]error, len(all))
	var wg sync.WaitGroup
	for i, p := range all {
		wg.Go(func() { exits[i], errs[i] = p.terminate(hung) })
	}
	wg.Wait()
	for _, e := range exits {
		slowest = slower(slowest, e)
	}
	return slowest, errors.Join(errs...)
}

func slower(a, b exit) exit {
	if a.took > b.took {
		return a
	}
	return b
}

// kill ends what is left, at the end of a run.
func (f *fleet) kill() {
	for _, p := range f.all() {
		p.kill()
	}
	f.watchers.Wait()
}

// thaw lets every frozen process go on.
func (f *fleet) thaw() {
	for _, p := range f.all() {
		p.signal(syscall.SIGCONT)
	}
}
