package sim_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/source/memory"
	"github.com/vlab-research/burrow/stage"
)

const (
	group = "sim"
	topic = "orders"
)

// world is one simulation: a broker, its producers and members, and what troubles them.
type world struct {
	plan    *plan
	ledger  *ledger
	broker  *memory.Broker
	members []*member
	helpers sync.WaitGroup // what goes on beside the disturber

	mu      sync.Mutex
	commits map[string]int // how often an offset was tried, for the draws
	letters map[string]int
	stored  map[string]bool // dead letters
	slow    time.Duration
}

func newWorld(seed int64) *world {
	p := newPlan(seed)
	w := &world{
		plan: p, ledger: newLedger(p), broker: memory.NewBroker(),
		commits: make(map[string]int), letters: make(map[string]int), stored: make(map[string]bool),
	}
	w.broker.CreateTopic(topic, p.partitions)
	w.broker.BeforeCommit(group, w.beforeCommit)
	w.broker.AfterCommit(group, w.afterCommit)
	w.ledger.note("%v", p)
	return w
}

// produce appends the messages of a partition, over a while.
func (w *world) produce(partition int32) {
	p, at := w.plan, int64(partition)
	for i := range p.messages {
		roll := func(purpose string) roll { return p.dice.roll(purpose, at, int64(i)) }
		if roll("burst").chance(0.3) {
			time.Sleep(roll("produced").span(time.Microsecond, 6*p.producing/time.Duration(p.messages)))
		}
		if roll("hole").chance(p.holes) {
			w.broker.Skip(topic, partition, int64(roll("hole's size").between(1, 4)))
			w.ledger.reachedSafely("a hole in the log")
		}
		w.append(partition, roll)
	}
}

func (w *world) append(partition int32, roll func(string) roll) {
	var key []byte
	if !roll("no key").chance(w.plan.nilKeys) {
		key = fmt.Appendf(nil, "k%d", roll("key").between(1, w.plan.keys))
	}
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	pos := w.broker.ProduceTo(topic, partition, stage.New(key, make([]byte, roll("size").between(0, 40))))[0]
	h := w.ledger.partitions[partition]
	h.produced = append(h.produced, pos.Offset)
}

var (
	errRefused = errors.New("the coordinator moves")
	errLost    = errors.New("the answer was lost")
)

// beforeCommit is the way of a commit to the broker.
func (w *world) beforeCommit(ctx context.Context, c memory.Commit) error {
	roll, slow := w.commitRoll(c)
	w.auditAll()
	if slow > 0 && roll("slow").chance(0.5) {
		if err := sleep(ctx, roll("how slow").span(time.Millisecond, slow)); err != nil {
			w.ledger.reachedSafely("a commit timed out")
			return err
		}
		w.ledger.reachedSafely("the coordinator was slow")
	}
	switch {
	case w.isHealed():
	case roll("refused").chance(w.plan.commitRefused):
		w.ledger.reachedSafely("a commit was refused for now")
		return errRefused
	case roll("fenced").chance(w.plan.commitFenced):
		w.helpers.Go(func() { // what was fenced is out, and told in a while
			time.Sleep(roll("told").span(time.Millisecond, 5*time.Second))
			w.broker.Revoke(group, c.Topic, c.Partition)
		})
		return fmt.Errorf("the member is not known: %w", source.ErrFenced)
	}
	return nil
}

// afterCommit is the way of the answer back.
func (w *world) afterCommit(_ context.Context, c memory.Commit) error {
	if c.Stored {
		w.ledger.judgeStored(c)
	}
	w.auditAll()
	roll, _ := w.commitRoll(c)
	if !w.isHealed() && roll("lost").chance(w.plan.answerLost) {
		w.ledger.reachedSafely("the answer to a commit was lost")
		return errLost
	}
	return nil
}

// commitRoll returns draws for one try of a commit.
func (w *world) commitRoll(c memory.Commit) (rollFor func(string) roll, slow time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := fmt.Sprint(c.Partition, "/", c.Next)
	w.commits[key]++
	try := int64(w.commits[key])
	return func(purpose string) roll {
		return w.plan.dice.roll(purpose, int64(c.Partition), c.Next, try)
	}, w.slow
}

// judgeStored judges what the broker stores.
func (l *ledger) judgeStored(c memory.Commit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.partitions[c.Partition]
	if c.Next < h.stored {
		l.breaks("M", "the broker stores %d for p%d after %d", c.Next, c.Partition, h.stored)
	}
	h.stored = c.Next
	h.commits = append(h.commits, c.Next)
	l.note("broker stores %d for p%d", c.Next, c.Partition)
}

// Publish is the way of a dead letter to the broker.
func (w *world) Publish(ctx context.Context, _ string, _, _ []byte, headers stage.Headers) error {
	id, _ := headers.Get(middleware.HeaderID)
	at := string(id)
	w.mu.Lock()
	w.letters[at]++
	lost := w.plan.dice.roll("letter "+at, int64(w.letters[at])).chance(w.plan.lettersLost)
	w.mu.Unlock()
	if err := sleep(ctx, time.Millisecond); err != nil {
		return err
	}
	if lost && !w.isHealed() {
		w.ledger.reachedSafely("a dead letter could not be published")
		return errRefused
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stored[at] = true
	return nil
}

func (w *world) published(partition int32, offset int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stored[fmt.Sprintf("%s/%d/%d", topic, partition, offset)]
}

func (w *world) isHealed() bool {
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	return w.ledger.healed
}

func (w *world) auditAll() {
	for _, m := range w.alive() {
		m.audit()
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
