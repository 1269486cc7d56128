package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vlab-research/burrow/stage"
)

// Pipeline consumes a source through stages. It is made by the Builder of package
// burrow and doesn't change. Its methods are safe for concurrent use.
type Pipeline struct {
	cfg     Config
	chain   *chain
	handler stage.Stage // which may panic: the engine sees to that
	lone    bool        // the handler is the only step, whose errors have no name yet

	mu     sync.Mutex
	engine *engine
	paused bool
	done   bool
}

// New makes a pipeline, with the defaults for zero fields. It checks nothing: the
// Builder of package burrow does.
func New(cfg Config) *Pipeline {
	p := &Pipeline{cfg: cfg.withDefaults()}
	p.chain = newChain(p.cfg.Steps)
	p.handler = p.assemble()
	return p
}

// assemble puts around the steps what is to be around them. Nothing is around a single step: the chain's frame would be
// cold memory whenever a wait of the step ends.
func (p *Pipeline) assemble() stage.Stage {
	var handler stage.Stage = p.chain
	switch {
	case p.cfg.Middleware != nil:
		handler = &naming{p.chain}
	case p.cfg.HeadOfLine == nil && len(p.cfg.Steps) == 1:
		p.lone = true
		return p.cfg.Steps[0].Stage
	}
	if p.cfg.HeadOfLine != nil {
		handler = &cuttable{handler}
	}
	if p.cfg.Middleware != nil {
		handler = p.cfg.Middleware(handler)
	}
	return handler
}

// named returns a handler's error with the name of the step that it comes from.
func (p *Pipeline) named(err error) error {
	if p.lone {
		return p.chain.ended(0, err)
	}
	return err
}

// Run joins the group and processes messages until ctx ends or the pipeline
// halts. It then reads no more, waits for the messages in flight up to the drain timeout, commits, and
// leaves the group.
//
// It returns nil after ctx ended and the drain was clean, else an [*Error]. Run
// may be called once; a second call fails with [Misused]. The context of a message
// has the values of ctx, but ends only when the drain times out or the message's partition is lost.
func (p *Pipeline) Run(ctx context.Context) error {
	p.mu.Lock()
	if p.engine != nil {
		p.mu.Unlock()
		return &Error{Code: Misused, Offset: -1, Cause: errors.New("Run was called before; build another pipeline")}
	}
	e := newEngine(ctx, p)
	e.paused.Store(p.paused)
	p.engine = e
	p.mu.Unlock()

	meters, err := newMeters(p)
	if err != nil {
		e.log.Warn("burrow: metrics are off: " + err.Error())
	}
	e.meters = meters
	defer meters.close()
	err = e.run(ctx)
	p.mu.Lock()
	p.done = true
	p.mu.Unlock()
	return err
}

// Process runs the stages and middleware on one message, on the calling
// goroutine and without a source. It returns what the last stage returned. An
// error is an [*Error], unless it is [stage.Skip].
func (p *Pipeline) Process(ctx context.Context, msg stage.Message) (stage.Message, error) {
	ctx = &stepContext{Context: ctx}
	out, err := p.caught(ctx, msg)
	if err != nil && !errors.Is(err, stage.Skip) {
		return nil, failureOf(msg.Position(), err)
	}
	return out, err
}

// caught makes an error of a panic.
func (p *Pipeline) caught(ctx context.Context, msg stage.Message) (out stage.Message, err error) {
	defer func() {
		if v := recover(); v != nil {
			out, err = nil, p.panicked(ctx, v)
		}
	}()
	if out, err = p.handler.Process(ctx, msg); err != nil {
		return nil, p.named(err)
	}
	return out, nil
}

// panicked makes an error of what recover returned in the outermost frame. Without middleware, which has panics of its
// own, it was the step's that ran.
func (p *Pipeline) panicked(ctx context.Context, v any) error {
	if p.cfg.Middleware != nil {
		return stage.Recovered(v)
	}
	return p.chain.panicked(ctx, v)
}

// Stats returns the pipeline's numbers; zero before Run. It costs a walk over the
// messages in the windows.
func (p *Pipeline) Stats() Stats {
	e := p.running()
	if e == nil {
		return Stats{Workers: p.cfg.Workers}
	}
	now := time.Now()
	e.mu.Lock()
	s := e.ended
	s.Rebalances = e.rebalances
	e.mu.Unlock()
	s.Workers, s.Late = p.cfg.Workers, e.late.Load()
	for _, c := range e.claims() {
		s.addPartition(c.stats(now))
	}
	return s
}

// Health returns nil while the pipeline is ready (its group's first rebalance is
// over and the source is well) and live (each partition's oldest message moves on, or there is none). The
// errors say what is wrong and where; errors.Is tells the kinds apart:
// [ErrNotRunning], [ErrNotAssigned], [ErrStalled], [ErrHeadOfLine], [ErrFrozen], [ErrCommitRefused].
func (p *Pipeline) Health() error {
	e := p.running()
	p.mu.Lock()
	done := p.done
	p.mu.Unlock()
	if e == nil || done {
		return ErrNotRunning
	}
	return e.health(time.Now())
}

// Explain tells what holds the committable offset of a partition.
func (p *Pipeline) Explain(topic string, partition int32) Explanation {
	if c := p.claimOf(topic, partition); c != nil {
		return c.explain(time.Now())
	}
	return Explanation{Topic: topic, Partition: partition}
}

// Pause starts no more messages; those in flight go on. The group membership and
// the commits stay. It returns at once, and may be called before Run.
func (p *Pipeline) Pause() { p.pause(true) }

// Resume takes Pause back, and lets frozen partitions go on as [Pipeline.ResumeClaim] does.
func (p *Pipeline) Resume() {
	p.pause(false)
	if e := p.running(); e != nil {
		for _, c := range e.claims() {
			c.thaw()
		}
	}
}

// ResumeClaim lets a frozen partition go on, from its failed messages. It fails
// with [Misused] if the partition isn't assigned to this pipeline.
func (p *Pipeline) ResumeClaim(topic string, partition int32) error {
	c := p.claimOf(topic, partition)
	if c == nil {
		return &Error{
			Code: Misused, Topic: topic, Partition: partition, Offset: -1,
			Cause: errors.New("the partition isn't assigned to this pipeline"),
		}
	}
	c.thaw()
	return nil
}

func (p *Pipeline) pause(on bool) {
	p.mu.Lock()
	p.paused = on
	e := p.engine
	p.mu.Unlock()
	if e == nil {
		return
	}
	e.pause(on)
}

// pause holds every claim, and those that come while it is on.
func (e *engine) pause(on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.paused.Store(on)
	for c := range e.active {
		e.pool.hold(&c.queue, holdPaused, on)
		c.poke()
	}
}

// thaw takes a freeze back: the failed messages are tried again, in order.
func (c *claim) thaw() {
	c.mu.Lock()
	if c.frozen == nil || c.begun {
		c.mu.Unlock()
		return
	}
	c.frozen = nil
	c.failures.Store(0)
	var again []*task
	for t := c.stuck.oldest; t != nil; {
		newer := t.newer
		if c.tracker.Retry(t.ticket, time.Now()) { // else it was committed past, and releaseStuck sees to it
			c.requeue(t)
			again = append(again, t)
		}
		t = newer
	}
	c.e.pool.pushEarly(&c.queue, again...)
	c.e.pool.hold(&c.queue, holdFrozen, false) // under the mutex, so that a freeze of now isn't undone
	c.mu.Unlock()
	c.e.log.WithFields(c.fields()).Info("burrow: claim resumed")
	c.poke()
}

// requeue makes a failed message a queued one. The claim's mutex is held.
func (c *claim) requeue(t *task) {
	c.stuck.remove(t)
	t.state, t.failure, t.parking = taskQueued, nil, nil
	if !t.laned {
		c.outstanding.Add(1)
	}
	c.live.push(t)
}

func (p *Pipeline) running() *engine {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.engine
}

func (p *Pipeline) claimOf(topic string, partition int32) *claim {
	if e := p.running(); e != nil {
		for _, c := range e.claims() {
			if c.name == (claimName{topic, partition}) {
				return c
			}
		}
	}
	return nil
}

func (n claimName) compare(o claimName) int {
	return cmp.Or(cmp.Compare(n.topic, o.topic), cmp.Compare(n.partition, o.partition))
}

// String returns topic/partition.
func (n claimName) String() string { return fmt.Sprintf("%s/%d", n.topic, n.partition) }
