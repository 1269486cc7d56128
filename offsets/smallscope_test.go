package offsets_test

import (
	"fmt"
	"testing"

	"github.com/vlab-research/burrow/offsets"
)

// acking is what becomes of the acknowledgement of a snapshot.
type acking int

const (
	applied acking = iota
	lost
	late // comes after the next message settled
	ackings
)

// scope is one run: who settles when, how, and what becomes of each commit.
type scope struct {
	offsets  []int64
	order    []int // indices of messages
	failing  int   // the index of a message that fails before it is resolved, or −1
	acks     int   // base-3 digits, one for each settled message
	strategy offsets.CommitStrategy
}

func (s scope) String() string {
	return fmt.Sprintf("%T, offsets %v finishing %v, failing %d, acks %d", s.strategy, s.offsets, s.order, s.failing, s.acks)
}

// run checks the tracker against the model after every step.
func (s scope) run(t *testing.T) {
	w := newTwin(s.offsets[0]-1, offsets.Limits{Messages: len(s.offsets), Batch: 2}, s.strategy)
	for _, offset := range s.offsets {
		w.admit(t, offset, 10)
	}
	var delayed []int64
	acks := s.acks
	for _, i := range s.order {
		if i == s.failing {
			w.settle(t, i, offsets.Failed, 1)
			w.check(t)
		}
		w.settle(t, i, offsets.Resolved, 0)
		for _, offset := range delayed {
			w.ack(t, offset)
		}
		delayed = delayed[:0]
		if offset, ok := w.snapshot(t); ok {
			switch acking(acks % int(ackings)) {
			case applied:
				w.ack(t, offset)
			case late:
				delayed = append(delayed, offset)
			}
		}
		acks /= int(ackings)
		w.check(t)
	}
	last := s.offsets[len(s.offsets)-1]
	if got := w.tracker.Committable(s.strategy, w.now); got != last {
		t.Fatalf("%v: all is resolved, committable is %d, want %d", s, got, last)
	}
	w.ack(t, last)
	if u := w.tracker.Usage(); u.Messages != 0 || u.Bytes != 0 || u.Uncommitted != 0 {
		t.Fatalf("%v: all is committed, the window holds %+v", s, u)
	}
}

// Every order in which up to four messages finish, with every fate of the commits in
// between, one or none of them failing first, under each strategy. Five and six
// messages finish in every order too, with a part of the rest.
func TestEveryFinishOrderOfASmallWindow(t *testing.T) {
	t.Parallel()
	strategies := []offsets.CommitStrategy{offsets.Ordered{}, offsets.BestEffort{}, offsets.SkipFailures{}}
	holes := []int64{0, 1, 4, 5, 9, 20}
	runs := 0
	for n := 1; n <= len(holes); n++ {
		fates := 1 // of all commits of a run
		for range n {
			fates *= int(ackings)
		}
		all := fates * len(strategies) * (n + 1)
		step := 1
		if n > 4 {
			step = all / (250 / n / n)
		}
		eachOrder(n, func(order []int) {
			for i := runs % step; i < all; i += step {
				s := scope{offsets: holes[:n], order: order, acks: i % fates}
				s.strategy = strategies[i/fates%len(strategies)]
				s.failing = i/fates/len(strategies) - 1
				s.run(t)
				runs++
			}
		})
	}
	if runs < 30_000 {
		t.Errorf("only %d runs", runs)
	}
}

// eachOrder gives every permutation of 0…n−1 (Heap's algorithm).
func eachOrder(n int, visit func(order []int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var permute func(k int)
	permute = func(k int) {
		if k <= 1 {
			visit(order)
			return
		}
		for i := range k {
			permute(k - 1)
			if k%2 == 0 {
				order[i], order[k-1] = order[k-1], order[i]
			} else {
				order[0], order[k-1] = order[k-1], order[0]
			}
		}
	}
	permute(n)
}
