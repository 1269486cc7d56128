package world

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vlab-research/burrow/chaos/internal/judge"
	"github.com/vlab-research/burrow/chaos/internal/worker"
)

// What the workers are told.
const (
	partitions = 12
	session    = 3 * time.Second
	rebalance  = 12 * time.Second
	drain      = 2 * time.Second
	window     = 500
)

// Plan is what a round is to do.
type Plan struct {
	Number             int
	Seed               uint64
	Strategy, Ordering string
	Topic              string        // a kind of topic
	Static             bool          // members come back with their names
	Chaos              time.Duration // how long the group is disturbed
	Rate               int           // messages a second
	Dir                string        // for the ledgers and the workers' logs
	Debug              bool
	Say                func(format string, args ...any)
}

// Result is what a round came to.
type Result struct {
	Plan
	judge.Figures
	Faults       []*judge.Fault
	Broken       []string
	SlowestExit  time.Duration // of a rolling restart
	FailedStarts int
	Returned     int // killed static members that came back with their names
	Replaced     int // static members that ended, because another one had taken their name
	Late         int // calm ends that the machine was too busy for
	Agreed       int // partitions of which Kafka's tool says the same as the library
	Lasted       time.Duration
}

// round is one group on one topic, from its first member to its last.
type round struct {
	Plan
	cluster     *Cluster
	group, name string // of the topic
	fleet       *fleet
	recorder    *recorder
	producer    *producer
	lag         atomic.Int64 // messages that are not committed, when the brokers were last asked
	producing   atomic.Bool  // what is left afterwards has a deadline of its own
	agreed      int
	late        int
	machine     machine
	leaves      sync.WaitGroup
	mu          sync.Mutex
	broken      []string
}

// Round runs one round: a calm time with a rolling restart, the chaos, a time to
// heal, and an end in good order.
func (c *Cluster) Round(ctx context.Context, plan Plan) (Result, error) {
	began := time.Now()
	r := &round{Plan: plan, cluster: c, name: fmt.Sprintf("chaos-%d", plan.Number), group: fmt.Sprintf("group-%d", plan.Number)}
	if err := r.prepare(ctx); err != nil {
		return Result{Plan: plan}, err
	}
	result, err := r.play(ctx)
	result.Lasted = time.Since(began)
	if err == nil {
		_, err = c.admin.DeleteTopics(ctx, r.name) // a long run would fill the disk
	}
	return result, err
}

func (r *round) prepare(ctx context.Context) error {
	r.Dir = filepath.Join(r.Dir, r.group)
	// Two runs must not share a folder: their ledgers would mix.
	if err := errors.Join(os.MkdirAll(filepath.Dir(r.Dir), 0o750), os.Mkdir(r.Dir, 0o750)); err != nil {
		return err
	}
	if err := r.createTopic(ctx); err != nil {
		return err
	}
	j := judge.New(judge.Rules{
		Ordering: r.Ordering, Window: window, Session: session, Holes: r.Topic == Compacted || r.Topic == Transactions,
	})
	r.recorder = &recorder{judge: j, say: r.Say, machine: &r.machine}
	r.fleet = &fleet{dir: r.Dir, recorder: r.recorder, static: r.Static, names: make(map[string]*process), job: worker.Job{
		Brokers: r.cluster.Addrs(), Group: r.group, Topic: r.name, Committed: r.Topic == Transactions, Strategy: r.Strategy, Ordering: r.Ordering,
		Workers: 32, Window: window, Session: session, Rebalance: rebalance, Drain: drain,
		Commit: 500 * time.Millisecond, Debug: r.Debug,
	}}
	r.prepareProducer()
	return nil
}

func (r *round) play(ctx context.Context) (result Result, err error) {
	feeding, endFeeding := context.WithCancel(ctx)
	producing, endProducing := context.WithCancel(ctx)
	var background sync.WaitGroup
	var produceErr error
	background.Go(func() { r.recorder.run(feeding) })
	background.Go(func() { r.observe(feeding) })
	background.Go(func() { r.machine.watch(feeding) })
	produced := make(chan struct{})
	r.producing.Store(true)
	background.Go(func() { defer close(produced); produceErr = r.producer.run(producing) })
	defer func() {
		endProducing()
		endFeeding()
		r.fleet.kill()
		background.Wait()
		err = errors.Join(err, produceErr, r.recorder.finish())
		result = r.result(result.SlowestExit)
	}()
	if result.SlowestExit, err = r.warmUp(ctx); err != nil {
		return result, err
	}
	if err = r.chaos(ctx); err != nil {
		return result, err
	}
	r.producing.Store(false)
	endProducing()
	<-produced
	return result, r.settle(ctx, &result.SlowestExit)
}

// warmUp starts the fleet and restarts it once, member by member, undisturbed.
func (r *round) warmUp(ctx context.Context) (slowest time.Duration, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 90*time.Second, errors.New("the calm start takes too long"))
	defer cancel()
	r.calm(true)
	if err := r.awaitHoles(ctx); err != nil {
		return 0, err
	}
	if err := r.fleet.fill(); err != nil {
		return 0, err
	}
	if err := r.fleet.awaitJoined(ctx); err != nil {
		return 0, err
	}
	if err := r.awaitOwned(ctx); err != nil {
		return 0, err
	}
	if err := pause(ctx, 2*time.Second); err != nil {
		return 0, err
	}
	r.Say("rolling restart of %d members", members)
	slow := r.machine.slow.Load()
	end, err := r.fleet.roll(ctx)
	r.ended("rolling restart", end, err, slow)
	return end.took, pause(ctx, 2*time.Second)
}

// chaos disturbs workers and cluster, each on their own, until the time is up.
func (r *round) chaos(ctx context.Context) error {
	r.calm(false)
	r.producer.rough.Store(true)
	defer r.producer.rough.Store(false)
	ctx, cancel := context.WithTimeout(ctx, r.Chaos)
	defer cancel()
	var wg sync.WaitGroup
	var errs [2]error
	wg.Go(func() { errs[0] = r.strikes(ctx, r.processFaults(), 1) })
	wg.Go(func() { errs[1] = r.strikes(ctx, r.clusterFaults(), 2) })
	wg.Wait()
	r.leaves.Wait()
	return errors.Join(errs[:]...)
}

// strikes draws one fault after the other.
func (r *round) strikes(ctx context.Context, faults []fault, stream uint64) error {
	rng := rand.New(rand.NewPCG(r.Seed+uint64(r.Number), stream)) //nolint:gosec // it must be repeatable
	var bag, next []fault
	for _, f := range faults {
		if f.first {
			next = append(next, f)
		}
		for range f.weight {
			bag = append(bag, f)
		}
	}
	for ctx.Err() == nil {
		if len(next) == 0 {
			next = append(next, bag[rng.IntN(len(bag))])
		}
		f := next[0]
		next = next[1:]
		own := rand.New(rand.NewPCG(rng.Uint64(), stream)) //nolint:gosec // so that what one fault draws changes no other
		if err := f.strike(ctx, r, own); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		hold(ctx, rng, 500*time.Millisecond, 3*time.Second)
	}
	return nil
}

func (r *round) disturb(kind string, process int) {
	if process == judge.Everyone {
		r.Say("%s", kind)
	} else {
		r.Say("%s of process %d", kind, process)
	}
	r.recorder.disturb(kind, process)
}

// leave ends a worker in rough times: it may fail to commit, but not hang.
func (r *round) leave(p *process) {
	if e, err := p.terminate(hung); e.took >= hung {
		r.breaks("leave: %v", err)
	}
}

// ended judges the slowest of members that ended in a calm time. A commit that timed
// out is the machine's fault only if the brokers were as slow to the run itself.
func (r *round) ended(where string, slowest exit, err error, slowBefore int64) {
	starved := r.machine.slow.Load() > slowBefore
	switch {
	case err != nil && starved && strings.Contains(err.Error(), context.DeadlineExceeded.Error()):
		r.late++
		r.Say("%s: %v; the brokers took more than %v for the run itself: the machine is overloaded", where, err, slow)
	case err != nil:
		r.breaks("%s: %v", where, err)
	case slowest.took <= drain:
	case overloaded(slowest.took, slowest.waited):
		r.late++
		r.Say("%s: a member took %v, in %v of which processes waited for a CPU: the machine is overloaded", where, slowest.took, slowest.waited)
	default:
		r.breaks("%s: a member took %v, the drain timeout is %v; processes waited for a CPU for %v of it", where, slowest.took, drain, slowest.waited)
	}
}

func (r *round) calm(calm bool) {
	r.recorder.tell(func(j *judge.Judge, _ int64) { j.Calm(calm) })
}

func (r *round) breaks(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = append(r.broken, fmt.Sprintf(format, args...)+fmt.Sprintf(" (%v)", &r.machine))
	r.Say("BROKEN %s", r.broken[len(r.broken)-1])
}
