package memory_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/source/memory"
	"github.com/vlab-research/burrow/stage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	group = "billing"
	topic = "orders"
)

// handler is a small engine: it keeps what it received and lets go when told.
type handler struct {
	hold chan struct{} // if set, Serve returns only once it is closed

	mu       sync.Mutex
	open     []source.Claim
	all      []source.Claim
	offsets  map[source.Claim][]int64
	assigned []int
}

func (h *handler) Serve(c source.Claim) {
	h.note(func() { h.open, h.all = append(h.open, c), append(h.all, c) })
	for {
		msg, err := source.Next(c, nil)
		if err != nil {
			break
		}
		h.note(func() { h.offsets[c] = append(h.offsets[c], msg.Position().Offset) })
	}
	if h.hold != nil {
		<-h.hold
	}
	h.note(func() { h.open = slices.DeleteFunc(h.open, func(o source.Claim) bool { return o == c }) })
}

func (h *handler) Assigned(n int) { h.note(func() { h.assigned = append(h.assigned, n) }) }

func (h *handler) note(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

func (h *handler) partitions() []int32 {
	h.mu.Lock()
	defer h.mu.Unlock()
	held := []int32{}
	for _, c := range h.open {
		held = append(held, c.Partition())
	}
	slices.Sort(held)
	return held
}

func (h *handler) received(c source.Claim) []int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.offsets[c])
}

// claims returns every tenure of the partition, in order.
func (h *handler) claims(partition int32) []source.Claim {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.all), func(c source.Claim) bool { return c.Partition() != partition })
}

// member is a source that runs with a handler.
type member struct {
	*memory.Source
	*handler
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of Run; read it after done
}

// start runs a member of the group; in a bubble it then waits until all is quiet.
func start(t *testing.T, b *memory.Broker, h *handler, opts ...memory.Option) *member {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{
		Source: b.Source(group, []string{topic}, opts...), handler: h, cancel: cancel, done: make(chan struct{}),
	}
	h.offsets = make(map[source.Claim][]int64)
	go func() {
		defer close(m.done)
		m.err = m.Run(ctx, h)
	}()
	t.Cleanup(m.stop)
	synctest.Wait()
	return m
}

func (m *member) stop() {
	m.cancel()
	<-m.done
}

func broker(partitions, messages int) *memory.Broker {
	b := memory.NewBroker()
	b.CreateTopic(topic, partitions)
	for p := range partitions {
		for i := range messages {
			b.ProduceTo(topic, int32(p), stage.New([]byte("key"), []byte(strconv.Itoa(i))))
		}
	}
	return b
}

func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

func equal[T any](t *testing.T, what string, got, want []T) {
	t.Helper()
	if len(got) != len(want) || !slices.EqualFunc(got, want, func(a, b T) bool { return any(a) == any(b) }) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestMembersShareThePartitions(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := broker(4, 3)
		one := start(t, b, &handler{})
		equal(t, "alone", one.partitions(), []int32{0, 1, 2, 3})
		two := start(t, b, &handler{})
		equal(t, "first of two", one.partitions(), []int32{0, 1})
		equal(t, "second of two", two.partitions(), []int32{2, 3})
		equal(t, "the second reads", two.received(two.claims(2)[0]), []int64{0, 1, 2})
		two.stop()
		synctest.Wait()
		equal(t, "alone again", one.partitions(), []int32{0, 1, 2, 3})
		equal(t, "what the first heard", one.assigned, []int{4, 2, 2, 2, 4})
	})
}
