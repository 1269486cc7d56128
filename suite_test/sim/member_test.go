package sim_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/pipeline"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/source/memory"
	"github.com/vlab-research/burrow/stage"
)

// member is one process: a pipeline on a source of its own.
type member struct {
	world  *world
	number int
	src    *memory.Source
	*burrow.Pipeline
	cancel context.CancelFunc
	done   chan struct{}

	// Guarded by the ledger's mutex.
	stopped, halted, paused time.Time
	resuming                int       // calls that resume claims and have not returned
	trouble                 time.Time // when a commit was last refused or slow
	committing              int
	running                 int // handlers
	crashed, lost           bool
	most                    int // handlers at once, since it was last set to 0
}

// String returns the member's name.
func (m *member) String() string { return fmt.Sprintf("m%d", m.number) }

func (w *world) start() *member {
	p := w.plan
	opts := []memory.Option{memory.WithRebalanceTimeout(p.rebalance), memory.WithPrefetch(p.prefetch)}
	if p.eager {
		opts = append(opts, memory.WithEager())
	}
	m := &member{world: w, number: len(w.members), src: w.broker.Source(group, []string{topic}, opts...), done: make(chan struct{})}
	built, err := m.builder().Build()
	if err != nil {
		panic(err)
	}
	m.Pipeline = built
	w.ledger.mu.Lock()
	w.members = append(w.members, m) // commits of others look at them meanwhile
	w.ledger.mu.Unlock()
	w.ledger.noteSafely("%v joins", m)
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	go func() {
		defer close(m.done)
		m.judgeRun(m.Run(ctx))
	}()
	return m
}

func (m *member) builder() burrow.Builder {
	p := m.world.plan
	b := burrow.New().From(&watched{Source: m.src, member: m}).
		WithWorkers(p.workers).WithOrdering(p.ordering).
		WithMaxInFlight(p.window).WithMaxInFlightBytes(p.windowBytes).
		WithCommitInterval(p.interval).WithCommitBatch(p.batch).WithCommitStrategy(p.strategy).
		WithMaxConsecutiveErrors(p.consecutive).WithFailureMode(p.mode).WithDrainTimeout(p.drain).
		WithLogger(m.logger()).Use(m.witness)
	wait := retry.Exponential{Base: 20 * time.Millisecond, Max: 5 * time.Second}
	if p.deadLetter {
		b = b.Use(middleware.DeadLetter(m.world, "dlq", middleware.PublishRetry(wait, 3)))
	}
	if p.attempts > 1 {
		b = b.Use(middleware.Retry(wait, p.attempts))
	}
	if p.recover {
		b = b.Use(middleware.Recover())
	}
	if p.timeout > 0 {
		b = b.Use(middleware.Timeout(p.timeout))
	}
	return b.Stage(stage.Func(m.handle))
}

// stop ends the member as SIGTERM would.
func (m *member) stop() {
	m.world.ledger.mu.Lock()
	m.stopped = time.Now()
	m.world.ledger.note("%v stops", m)
	m.world.ledger.mu.Unlock()
	m.cancel()
}

func (m *member) crash() {
	m.world.ledger.mu.Lock()
	m.crashed = true
	m.world.ledger.note("%v crashes", m)
	m.world.ledger.mu.Unlock()
	m.src.Crash()
}

func (m *member) ended() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

var errAbrupt = errors.New("panic or Goexit")

// witness is the outermost middleware: what it sees is what the engine does.
func (m *member) witness(next stage.Stage) stage.Stage {
	return stage.Func(func(ctx context.Context, msg stage.Message) (out stage.Message, err error) {
		d, ok := msg.(*delivered)
		if !ok {
			panic("the engine made a message of its own")
		}
		p := d.tenure.begin(ctx, msg)
		err = errAbrupt
		defer func() { d.tenure.end(p, err) }()
		out, err = next.Process(ctx, msg)
		return out, err
	})
}

// delivered is a message that knows its tenure.
type delivered struct {
	stage.Message
	tenure *tenure
}

// watched is a source that tells the ledger what passes through it.
type watched struct {
	*memory.Source
	member *member
}

func (s *watched) Run(ctx context.Context, h source.Handler) error {
	return s.Source.Run(ctx, &watchedHandler{Handler: h, member: s.member})
}

func (s *watched) Commit(ctx context.Context, commits []source.Commit) []error {
	m, l := s.member, s.member.world.ledger
	m.audit()
	began := time.Now()
	order := byPartition(commits)
	plain := make([]source.Commit, len(commits))
	for i, at := range order {
		c := commits[at]
		claim, _ := c.Claim.(*watchedClaim)
		plain[i] = source.Commit{Claim: claim.Claim, Next: c.Next}
		claim.tenure.judgeCommit(c.Next)
	}
	l.mu.Lock()
	m.committing++
	l.mu.Unlock()
	answers := s.Source.Commit(ctx, plain)
	verdicts := make([]error, len(commits))
	for i, at := range order {
		claim, _ := commits[at].Claim.(*watchedClaim)
		claim.tenure.judgeAnswer(commits[at].Next, errors.Is(answers[i], source.ErrFenced), answers[i])
		verdicts[at] = answers[i]
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	m.committing--
	if time.Since(began) > soon {
		m.trouble = time.Now()
	}
	return verdicts
}

// byPartition returns the indexes of the commits in an order that replays.
func byPartition(commits []source.Commit) []int {
	order := make([]int, len(commits))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Compare(commits[a].Claim.Partition(), commits[b].Claim.Partition())
	})
	return order
}

type watchedHandler struct {
	source.Handler
	member *member
}

func (h *watchedHandler) Serve(c source.Claim) {
	t := h.member.world.ledger.newTenure(h.member, c)
	defer t.judgeEnd()
	h.Handler.Serve(&watchedClaim{Claim: c, tenure: t})
}

type watchedClaim struct {
	source.Claim
	tenure *tenure
}

func (c *watchedClaim) Receive(into []source.Delivery, wake <-chan struct{}) (int, error) {
	n, err := c.Claim.Receive(into, wake)
	if errors.Is(err, source.ErrClosed) {
		c.tenure.close()
	}
	for i := range into[:n] {
		c.tenure.deliver(into[i].Message)
		into[i].Message = &delivered{Message: into[i].Message, tenure: c.tenure}
	}
	return n, err
}

// audit compares what the engine says of itself with what the broker holds.
func (m *member) audit() {
	w := m.world
	stats := m.Stats()
	for _, s := range stats.Partitions {
		held, _ := w.broker.Committed(group, topic, s.Partition)
		if s.Committed+1 > held {
			w.ledger.breaksSafely("C", "%v takes p%d as committed up to %d, the broker holds %d", m, s.Partition, s.Committed+1, held)
		}
		if s.Repeats > w.plan.window {
			w.ledger.breaksSafely("W", "%v would repeat %d of p%d, the window is %d", m, s.Repeats, s.Partition, w.plan.window)
		}
		if s.Held > 0 {
			w.ledger.reachedSafely("messages were held for want of room")
		}
		if s.Passed > 0 {
			w.ledger.reachedSafely("a failed message was committed past")
		}
	}
	w.ledger.judgeRows(m)
}

// logger writes the engine's log into the trace.
func (m *member) logger() logrus.FieldLogger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	log.AddHook(&logHook{m})
	return log
}

type logHook struct{ *member }

func (h *logHook) Levels() []logrus.Level { return logrus.AllLevels }

func (h *logHook) Fire(e *logrus.Entry) error {
	l := h.world.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note("%v log: %s %v", h.member, e.Message, e.Data)
	switch {
	case strings.HasPrefix(e.Message, "burrow: halting") && h.halted.IsZero():
		h.halted = time.Now()
	case strings.HasPrefix(e.Message, "burrow: claim frozen"):
		l.reached("a claim froze")
		p, _ := e.Data["partition"].(int32)
		h.serving(p).froze()
		if strings.Contains(e.Message, pipeline.ThresholdExceeded.String()) {
			l.reached("a claim froze for failures in a row")
			l.judgeFreeze(h.member, p)
		}
	case strings.HasPrefix(e.Message, "burrow: claim resumed"):
		l.reached("a claim said that it was resumed")
		p, _ := e.Data["partition"].(int32)
		h.serving(p).wentOn()
	}
	return nil
}

// hasFailed tells whether a message has failed in the tenure. The ledger's mutex is held.
func (t *tenure) hasFailed() bool {
	for _, p := range t.passes {
		if p.state == failed {
			return true
		}
	}
	return false
}

// serving returns the member's tenure of the partition that isn't over; of two, of
// which the broker has ended the first, the one with more failures. The ledger's mutex is held.
func (m *member) serving(partition int32) (found *tenure) {
	for _, t := range m.world.ledger.partitions[partition].tenures {
		if t.member == m && t.over.IsZero() && (found == nil || t.row.peak >= found.row.peak) {
			found = t
		}
	}
	return found
}
