package pipeline

import (
	"context"
	"sync"
	"time"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// fakeSource serves claims that a test makes, and keeps what was committed.
type fakeSource struct {
	claims  []*fakeClaim
	verdict func(source.Commit) error   // nil accepts all
	answer  func(context.Context) error // of all claims' commits at once; nil answers at once
	joins   time.Duration               // how long the first rebalance takes

	mu        sync.Mutex
	committed map[int32][]int64
	served    map[int32]time.Time // when Serve returned
}

func newFakeSource(partitions ...int) *fakeSource {
	s := &fakeSource{committed: make(map[int32][]int64), served: make(map[int32]time.Time)}
	for i, n := range partitions {
		s.claims = append(s.claims, newFakeClaim(int32(i), n))
	}
	return s
}

func (s *fakeSource) Run(ctx context.Context, h source.Handler) error {
	time.Sleep(s.joins)
	var wg sync.WaitGroup
	for _, c := range s.claims {
		wg.Go(func() {
			h.Serve(c)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.served[c.partition] = time.Now()
		})
	}
	h.Assigned(len(s.claims))
	<-ctx.Done()
	for _, c := range s.claims {
		c.revoke()
	}
	wg.Wait()
	return nil
}

func (s *fakeSource) Commit(ctx context.Context, commits []source.Commit) []error {
	verdicts := make([]error, len(commits))
	var unanswered error
	if s.answer != nil {
		unanswered = s.answer(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, c := range commits {
		if verdicts[i] = unanswered; unanswered == nil && s.verdict != nil {
			verdicts[i] = s.verdict(c)
		}
		if verdicts[i] == nil {
			s.committed[c.Claim.Partition()] = append(s.committed[c.Claim.Partition()], c.Next)
		}
	}
	return verdicts
}

func (s *fakeSource) commits(partition int32) []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.committed[partition]
}

func (s *fakeSource) last(partition int32) int64 {
	if all := s.commits(partition); len(all) > 0 {
		return all[len(all)-1]
	}
	return 0
}

func (*fakeSource) RebalanceTimeout() time.Duration { return time.Minute }
func (*fakeSource) Health() error                   { return nil }

// fakeClaim delivers numbered messages, keyed by its key function.
type fakeClaim struct {
	partition int32
	messages  chan stage.Message
	over      chan struct{}
	once      sync.Once

	mu      sync.Mutex
	pauses  int
	paused  bool
	obeys   bool // a pause, at once
	spins   int  // Receives in vain
	resumed chan struct{}
}

func newFakeClaim(partition int32, n int) *fakeClaim {
	c := &fakeClaim{partition: partition, messages: make(chan stage.Message, n), over: make(chan struct{}), resumed: make(chan struct{}, 1)}
	c.send(0, n, "")
	return c
}

// send delivers n more messages, all of one key; without one if it is "".
func (c *fakeClaim) send(from, n int, key string) {
	for i := range n {
		at := stage.At(stage.Position{Topic: "t", Partition: c.partition, Offset: int64(from + i)})
		if key == "" {
			c.messages <- stage.New(nil, nil, at)
		} else {
			c.messages <- stage.New([]byte(key), nil, at)
		}
	}
}

func (c *fakeClaim) revoke() { c.once.Do(func() { close(c.over) }) }

func (c *fakeClaim) Topic() string        { return "t" }
func (c *fakeClaim) Partition() int32     { return c.partition }
func (c *fakeClaim) Start() int64         { return 0 }
func (c *fakeClaim) HighWatermark() int64 { return int64(cap(c.messages)) }

func (c *fakeClaim) Receive(into []source.Delivery, wake <-chan struct{}) (int, error) {
	select {
	case <-c.over:
		return 0, source.ErrClosed
	default:
	}
	for {
		messages := c.ready()
		if n := gather(into, messages); n > 0 {
			return n, nil
		}
		select {
		case m := <-messages:
			into[0] = source.Deliver(m)
			return 1, nil
		case <-c.over:
			return 0, source.ErrClosed
		case <-wake:
			return 0, c.woken()
		case <-c.resumed:
		}
	}
}

// gather takes what is ready.
func gather(into []source.Delivery, messages <-chan stage.Message) int {
	for n := range into {
		select {
		case m := <-messages:
			into[n] = source.Deliver(m)
		default:
			return n
		}
	}
	return len(into)
}

// woken ends the claim of a reader that is woken without end.
func (c *fakeClaim) woken() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.spins++; c.spins > 100_000 {
		return source.ErrClosed
	}
	return source.ErrWoken
}

func (s *fakeSource) servedAt(partition int32) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.served[partition]
}

// ready returns the messages, nil while the claim is paused and obeys.
func (c *fakeClaim) ready() chan stage.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused && c.obeys {
		return nil
	}
	return c.messages
}

func (c *fakeClaim) Pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pauses++
	c.paused = true
}

func (c *fakeClaim) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paused = false
	select {
	case c.resumed <- struct{}{}:
	default:
	}
}
