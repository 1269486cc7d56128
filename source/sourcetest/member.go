package sourcetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// fixture is a topic and a group of their own on a cluster.
type fixture struct {
	Cluster
	topic, group string
}

func newFixture(t *testing.T, cluster Cluster, partitions int) *fixture {
	t.Helper()
	name := "conformance-" + rand.Text()
	f := &fixture{Cluster: cluster, topic: name, group: name}
	cluster.CreateTopic(t, f.topic, partitions)
	return f
}

// fill appends n messages to the partition.
func (f *fixture) fill(t *testing.T, partition int32, n int) {
	t.Helper()
	msgs := make([]stage.Message, n)
	for i := range msgs {
		msgs[i] = stage.New([]byte("key"), fmt.Appendf(nil, "value %d", i), stage.Stamped(time.Now()))
	}
	f.Produce(t, f.topic, partition, msgs...)
}

// wantCommitted fails the test unless the broker holds exactly this commit.
func (f *fixture) wantCommitted(t *testing.T, partition int32, want int64) {
	t.Helper()
	if next, ok := f.Committed(t, f.group, f.topic, partition); !ok || next != want {
		t.Errorf("partition %d: the broker has committed %d (%v), want %d", partition, next, ok, want)
	}
}

// member is a source that runs, and the engine around it. The functions are set
// before it runs and called by the goroutines of Serve.
type member struct {
	source.Source
	began   func(*tenure) // when Serve begins; by default it does nothing
	drained func(*tenure) // after ErrClosed, before Serve returns

	mu      sync.Mutex
	tenures []*tenure
	counts  []int

	committing sync.Mutex
	cancel     context.CancelFunc
	done       chan struct{} // closed when Run has returned
	err        error         // what it returned
}

// tenure is a claim while it is served, and afterwards.
type tenure struct {
	source.Claim
	closed   chan struct{} // closed at ErrClosed
	returned chan struct{} // closed just before Serve returns

	mu       sync.Mutex
	messages []stage.Message
}

func newMember(src source.Source) *member {
	nothing := func(*tenure) {}
	return &member{Source: src, began: nothing, drained: nothing, done: make(chan struct{})}
}

// join runs a member that reads all it gets. change, which may be nil, is called before.
func (f *fixture) join(t *testing.T, change func(*member)) *member {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	m := newMember(f.Source(t, f.group, []string{f.topic}))
	m.cancel = cancel
	if change != nil {
		change(m)
	}
	go func() {
		defer close(m.done)
		m.err = m.Run(ctx, m)
	}()
	t.Cleanup(func() { m.stop(t) })
	return m
}

// joinByHand runs a member whose claims wait for the test: it calls Receive itself
// until it calls release.
func (f *fixture) joinByHand(t *testing.T) (m *member, release func()) {
	t.Helper()
	hand := make(chan struct{})
	release = sync.OnceFunc(func() { close(hand) })
	m = f.join(t, func(m *member) { m.began = func(*tenure) { <-hand } })
	t.Cleanup(release)
	return m, release
}

// stop ends Run's context, waits for Run and checks that it returned nil.
func (m *member) stop(t *testing.T) {
	t.Helper()
	m.cancel()
	await(t, "Run to return", m.done)
	if m.err != nil {
		t.Errorf("Run returned %v, want nil", m.err)
	}
}

// Serve implements source.Handler.
func (m *member) Serve(c source.Claim) {
	served := &tenure{Claim: c, closed: make(chan struct{}), returned: make(chan struct{})}
	defer close(served.returned)
	m.mu.Lock()
	m.tenures = append(m.tenures, served)
	m.mu.Unlock()
	m.began(served)
	for {
		msg, err := source.Next(c, nil)
		if err != nil {
			break
		}
		served.mu.Lock()
		served.messages = append(served.messages, msg)
		served.mu.Unlock()
	}
	close(served.closed)
	m.drained(served)
}

// Assigned implements source.Handler.
func (m *member) Assigned(partitions int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts = append(m.counts, partitions)
}

// of returns the member's tenures of the partition, in order.
func (m *member) of(partition int32) []*tenure {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []*tenure
	for _, served := range m.tenures {
		if served.Partition() == partition {
			found = append(found, served)
		}
	}
	return found
}

// live returns the member's tenure of the partition that isn't over, or nil.
func (m *member) live(partition int32) *tenure {
	if all := m.of(partition); len(all) > 0 && !happened(all[len(all)-1].closed) {
		return all[len(all)-1]
	}
	return nil
}

// holds waits until the member serves the partition.
func (m *member) holds(t *testing.T, partition int32) *tenure {
	t.Helper()
	var served *tenure
	eventually(t, fmt.Sprintf("partition %d to be served", partition), func() bool {
		served = m.live(partition)
		return served != nil
	})
	return served
}

// hears waits until Assigned was last called with n.
func (m *member) hears(t *testing.T, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("Assigned(%d)", n), func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return len(m.counts) > 0 && m.counts[len(m.counts)-1] == n
	})
}

// Commit gives the source its own claims, one request at a time, as an engine does.
func (m *member) Commit(ctx context.Context, commits []source.Commit) []error {
	m.committing.Lock()
	defer m.committing.Unlock()
	own := slices.Clone(commits)
	for i, c := range own {
		if served, ok := c.Claim.(*tenure); ok {
			own[i].Claim = served.Claim
		}
	}
	return m.Source.Commit(ctx, own)
}

// commit commits and tries again, as an engine does, while the verdict lets it.
func (m *member) commit(t *testing.T, claim source.Claim, next int64) {
	t.Helper()
	if verdicts := m.commitAll(t, source.Commit{Claim: claim, Next: next}); verdicts[0] != nil {
		t.Errorf("commit of %d for partition %d: %v", next, claim.Partition(), verdicts[0])
	}
}

// commitAll repeats the commit until no verdict may be tried again.
func (m *member) commitAll(t *testing.T, commits ...source.Commit) []error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	var verdicts []error
	eventually(t, "final verdicts", func() bool {
		if verdicts = m.Commit(ctx, commits); len(verdicts) != len(commits) {
			t.Errorf("%d verdicts for %d commits", len(verdicts), len(commits))
			verdicts = make([]error, len(commits))
		}
		for _, err := range verdicts {
			if err != nil && !errors.Is(err, source.ErrFenced) && !errors.Is(err, source.ErrDenied) {
				return false
			}
		}
		return true
	})
	return verdicts
}

func (s *tenure) received() []stage.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.messages[:len(s.messages):len(s.messages)]
}

// reads waits until the tenure has received n messages and returns them.
func (s *tenure) reads(t *testing.T, n int) []stage.Message {
	t.Helper()
	eventually(t, fmt.Sprintf("message %d of partition %d", n, s.Partition()), func() bool { return len(s.received()) >= n })
	return s.received()
}
