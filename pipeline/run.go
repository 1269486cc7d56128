package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/vlab-research/burrow/internal/guard"
	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// lastWait is how long Run waits, at the very end, for handlers whose context has ended.
const lastWait = time.Second

var errSourceEnded = errors.New("the source ended by itself")

// engine is one Run of a pipeline. It owns every goroutine: all are counted in
// wg, and the last thing Run does is to wait for them.
type engine struct {
	cfg     *Config
	policy  policy
	log     logrus.FieldLogger
	muffler *muffler
	chain   *chain
	handler stage.Stage // which may panic
	panics  func(context.Context, any) error
	named   func(error) error
	seed    maphash.Seed
	began   time.Time

	base      context.Context //nolint:containedctx // the parent of every message's context, for the run
	pool      *pool
	committer *committer
	monitor   *monitor
	meters    *meters
	wg        sync.WaitGroup

	stop     chan struct{} // closed: read no more, drain
	released chan struct{} // closed: the source is being stopped, claims may return
	paused   atomic.Bool
	late     atomic.Int64 // results that came after their tenure
	assigned atomic.Int64 // partitions at the last rebalance; −1 before the first

	list atomic.Pointer[[]*claim]

	mu         sync.Mutex
	active     map[*claim]struct{}
	idle       *sync.Cond // of mu: a claim has drained
	fault      *Error     // why Run ends, if not because its context did
	ended      Stats      // totals of claims that have ended
	rebalances int64
}

func newEngine(ctx context.Context, p *Pipeline) *engine {
	e := &engine{
		cfg: &p.cfg, log: guard.Logger(p.cfg.Logger), muffler: newMuffler(), chain: p.chain, handler: p.handler, panics: p.panicked, named: p.named, seed: maphash.MakeSeed(), began: time.Now(),
		policy:   policy{maxConsecutive: p.cfg.MaxConsecutive, mode: p.cfg.FailureMode},
		base:     context.WithoutCancel(ctx),
		stop:     make(chan struct{}),
		released: make(chan struct{}),
		active:   make(map[*claim]struct{}),
	}
	e.assigned.Store(-1)
	e.idle = sync.NewCond(&e.mu)
	e.list.Store(new([]*claim))
	e.committer = newCommitter(e)
	e.monitor = newMonitor(e)
	e.pool = &pool{limit: p.cfg.Workers, work: e.work, wg: &e.wg, clock: e.clock, stir: e.monitor.stir, hasten: e.monitor.hasten}
	return e
}

// run is the whole life of the engine.
func (e *engine) run(ctx context.Context) error {
	background, endBackground := context.WithCancel(e.base)
	sourceCtx, endSource := context.WithCancel(e.base)
	defer endBackground()
	defer endSource()
	e.wg.Go(func() { e.committer.run(background) })
	e.wg.Go(func() { e.monitor.run(background) })
	if policy := e.cfg.HeadOfLine; policy != nil {
		e.wg.Go(func() { newWarden(e, *policy).run(background) })
	}
	sourceDone := make(chan error, 1)
	e.wg.Go(func() { sourceDone <- e.cfg.Source.Run(sourceCtx, e) })

	var sourceErr error
	select {
	case sourceErr = <-sourceDone:
		sourceErr = cmp.Or(sourceErr, errSourceEnded)
		close(e.released)
	case <-ctx.Done():
		e.halt(nil)
	case <-e.stop:
	}
	if sourceErr == nil {
		e.awaitDrain()
		endSource()
		close(e.released)
		sourceErr = <-sourceDone
	}
	if sourceErr != nil {
		e.halt(&Error{Code: SourceFailed, Offset: -1, Cause: sourceErr})
	}
	endBackground()
	e.pool.close()
	e.awaitGoroutines()
	return e.verdict()
}

// clock returns the time since the engine began, never 0. It costs half of what time.Now does.
func (e *engine) clock() time.Duration { return time.Since(e.began) + 1 }

// halt makes the pipeline drain and end. The first reason counts.
func (e *engine) halt(err *Error) {
	e.mu.Lock()
	first := e.fault == nil && err != nil
	if first {
		e.fault = err
	}
	if !e.stopping() {
		close(e.stop)
		for c := range e.active {
			c.closing.Store(true)
			c.poke()
		}
	}
	e.mu.Unlock()
	if first {
		e.log.Error("burrow: halting: " + err.Redacted())
	}
}

func (e *engine) stopping() bool {
	select {
	case <-e.stop:
		return true
	default:
		return false
	}
}

// Serve implements [source.Handler].
func (e *engine) Serve(src source.Claim) {
	c := e.newClaim(src)
	if e.enter(c) {
		c.startReader(batch{})
		<-c.read
		c.drain()
		e.exit(c)
	}
	if e.stopping() && !c.revoked.Load() { // a revoked claim doesn't wait for the others
		<-e.released
	}
}

// Assigned implements [source.Handler].
func (e *engine) Assigned(partitions int) {
	e.assigned.Store(int64(partitions))
	e.mu.Lock()
	e.rebalances++
	e.mu.Unlock()
	e.meters.rebalanced()
	e.log.WithField("partitions", partitions).Info("burrow: partitions assigned")
}

func (e *engine) enter(c *claim) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopping() {
		return false
	}
	if e.paused.Load() {
		e.pool.hold(&c.queue, holdPaused, true)
	}
	e.active[c] = struct{}{}
	e.relist()
	return true
}

func (e *engine) exit(c *claim) {
	final := c.totals()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ended.add(final)
	delete(e.active, c)
	e.relist()
	e.idle.Broadcast()
}

func (e *engine) relist() {
	list := slices.SortedFunc(maps.Keys(e.active), func(a, b *claim) int { return a.name.compare(b.name) })
	e.list.Store(&list)
}

// claims returns the claims being served, by topic and partition.
func (e *engine) claims() []*claim { return *e.list.Load() }

// awaitDrain waits until every claim has drained, each by its own deadline.
func (e *engine) awaitDrain() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.active) > 0 {
		e.idle.Wait()
	}
}

// awaitGoroutines waits for the rest, which is quick unless a handler ignores its context.
func (e *engine) awaitGoroutines() {
	done := make(chan struct{})
	go func() { // ends with the last handler, which alone can hold it
		e.wg.Wait()
		close(done)
	}()
	timer := time.NewTimer(lastWait)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		e.log.Error("burrow: a handler ignores the end of its context; its goroutine is left behind")
	}
}

func (e *engine) verdict() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fault == nil {
		return nil
	}
	return e.fault
}

func (e *engine) noteStuck(c *claim, offsets []int64) {
	e.halt(stuckError(c.name, offsets))
}

func (e *engine) noteCommitFailure(c *claim, err error) {
	failure := &Error{Code: CommitFailed, Topic: c.name.topic, Partition: c.name.partition, Offset: -1, Cause: err}
	if e.stopping() {
		e.halt(failure)
		return
	}
	e.log.Error("burrow: the last commit of a revoked partition failed: " + failure.Redacted())
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// silent returns the logger of a pipeline that was given none.
func silent() logrus.FieldLogger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	log.SetLevel(logrus.PanicLevel)
	return log
}
