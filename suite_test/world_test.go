package suite_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/sirupsen/logrus"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// patience is how long a spec waits for what must come.
const patience = 30 * time.Second

// group is the consumer group of every spec; each has a broker or topics of its own.
const group = "suite"

// backend is a broker that a spec works on.
type backend interface {
	// topic makes a topic and returns its name.
	topic(partitions int) string
	// produce stores the messages in a partition, in order.
	produce(topic string, partition int32, msgs ...stage.Message)
	// member returns a new member of the group.
	member(topic string) source.Source
	// committed returns the offset from which a new owner would read; hasCommit whether there is one.
	committed(topic string, partition int32) int64
	hasCommit(topic string, partition int32) bool
	// end returns the offset behind the last message.
	end(topic string, partition int32) int64
	// hole leaves an offset without a message.
	hole(topic string, partition int32)
	// Publish stores a dead letter.
	Publish(ctx context.Context, topic string, key, value []byte, headers stage.Headers) error
}

// world is what a spec plays in: a broker, and the pipelines that it starts.
type world struct {
	backend
	runs []*run
}

// run is a pipeline at work.
type run struct {
	*burrow.Pipeline
	src    *crashable
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// numbered returns n messages with the values 0, 1, … and these keys in turn; without keys they have none.
func numbered(n int, keys ...string) []stage.Message {
	msgs := make([]stage.Message, n)
	for i := range msgs {
		var key []byte
		if len(keys) > 0 {
			key = []byte(keys[i%len(keys)])
		}
		msgs[i] = stage.New(key, []byte(strconv.Itoa(i)))
	}
	return msgs
}

// start runs a pipeline as a new member of the group.
func (w *world) start(topic string, build func(burrow.Builder) burrow.Builder) *run {
	GinkgoHelper()
	src := &crashable{Source: w.member(topic)}
	p, err := build(burrow.New().From(src).WithLogger(specLog()).WithCommitInterval(100 * time.Millisecond)).Build()
	Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	r := &run{Pipeline: p, src: src, cancel: cancel, done: make(chan struct{})}
	w.runs = append(w.runs, r)
	go func() {
		defer close(r.done)
		r.err = p.Run(ctx)
	}()
	return r
}

// specLog writes to the report of a spec that fails.
func specLog() logrus.FieldLogger {
	log := logrus.New()
	log.SetOutput(GinkgoWriter)
	log.SetFormatter(&logrus.TextFormatter{DisableColors: true, TimestampFormat: "15:04:05.000", FullTimestamp: true})
	log.SetLevel(logrus.DebugLevel)
	return log
}

// stop ends the run as SIGTERM would, and returns Run's error.
func (r *run) stop() error {
	r.cancel()
	return r.wait()
}

func (r *run) wait() error {
	GinkgoHelper()
	select {
	case <-r.done:
	case <-time.After(2 * patience):
		Fail("Run did not return")
	}
	return r.err
}

// crash ends the run so that from now on nothing of it reaches the broker.
func (r *run) crash() {
	r.src.crash()
	_ = r.stop()
}

// close stops what a spec has left running.
func (w *world) close() {
	for _, r := range w.runs {
		r.cancel()
	}
	for _, r := range w.runs {
		<-r.done
	}
}

// eventually waits for a condition, on the bubble's clock or the real one.
func eventually(what string, condition func() bool) {
	GinkgoHelper()
	for deadline := time.Now().Add(patience); !condition(); {
		if time.Now().After(deadline) {
			Fail("not reached within " + patience.String() + ": " + what)
		}
		time.Sleep(5 * time.Millisecond) // the bubble's time, or a real broker's answer
	}
}

// eventuallyCommitted waits until the group has committed so far.
func (w *world) eventuallyCommitted(topic string, partition int32, next int64) {
	GinkgoHelper()
	eventually(fmt.Sprintf("a commit of %d for partition %d", next, partition), func() bool {
		return w.committed(topic, partition) == next
	})
}

// crashable is a source whose commits can be cut off.
type crashable struct {
	source.Source
	mu      sync.Mutex
	crashed bool
}

var errCrashed = errors.New("the process has crashed")

func (c *crashable) crash() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.crashed = true
}

func (c *crashable) Commit(ctx context.Context, commits []source.Commit) []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.crashed {
		return slices.Repeat([]error{errCrashed}, len(commits))
	}
	return c.Source.Commit(ctx, commits)
}

// gate is a handler whose messages end when the spec says so.
type gate struct {
	mu      sync.Mutex
	started []stage.Position
	waiting map[stage.Position]chan error
}

func newGate() *gate { return &gate{waiting: make(map[stage.Position]chan error)} }

func (g *gate) Process(ctx context.Context, msg stage.Message) (stage.Message, error) {
	g.mu.Lock()
	g.started = append(g.started, msg.Position())
	opened := make(chan error, 1)
	g.waiting[msg.Position()] = opened
	g.mu.Unlock()
	select {
	case err := <-opened:
		return msg, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// inFlight waits until so many messages are inside the handler.
func (g *gate) inFlight(n int) {
	GinkgoHelper()
	eventually(strconv.Itoa(n)+" messages in flight", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.waiting) == n
	})
}

// finish ends the message at an offset.
func (g *gate) finish(topic string, partition int32, offset int64, err error) {
	GinkgoHelper()
	pos := stage.Position{Topic: topic, Partition: partition, Offset: offset}
	var opened chan error
	eventually(pos.String()+" in flight", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		opened = g.waiting[pos]
		return opened != nil
	})
	g.mu.Lock()
	delete(g.waiting, pos)
	g.mu.Unlock()
	opened <- err
}

// record notes what a handler was given, in order.
type record struct {
	mu   sync.Mutex
	seen []stage.Position
}

func (r *record) note(msg stage.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, msg.Position())
}

func (r *record) all() []stage.Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

// stage notes messages and gives them on.
func (r *record) stage() stage.Stage {
	return stage.Func(func(_ context.Context, m stage.Message) (stage.Message, error) {
		r.note(m)
		return m, nil
	})
}

// offsets returns the offsets seen of a partition, sorted.
func (r *record) offsets(partition int32) []int64 {
	list := []int64{}
	for _, pos := range r.all() {
		if pos.Partition == partition {
			list = append(list, pos.Offset)
		}
	}
	slices.Sort(list)
	return list
}

func upTo(n int64) []int64 {
	list := make([]int64, n)
	for i := range list {
		list[i] = int64(i)
	}
	return list
}

// workTime is how long briefly takes.
const workTime = 2 * time.Millisecond

// briefly is work that takes a moment.
func briefly(_ context.Context, m stage.Message) (stage.Message, error) {
	time.Sleep(workTime)
	return m, nil
}
