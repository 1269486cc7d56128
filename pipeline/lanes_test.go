package pipeline

import (
	"math/rand/v2"
	"testing"
)

func TestLanesFindTheLastTaskOfEachLane(t *testing.T) {
	random, l, model := rand.New(rand.NewPCG(1, 2)), lanes{}, make(map[uint64]*task)
	for range 20_000 {
		lane := random.Uint64N(500) << random.UintN(8) // many share a bucket
		if last := model[lane]; l.last(lane) != last {
			t.Fatalf("lane %d: found %p, last is %p", lane, l.last(lane), last)
		}
		if last := model[lane]; last != nil && random.IntN(2) == 0 {
			l.free(last)
			delete(model, lane)
			if last.crowd != nil {
				t.Fatal("a task that left links others")
			}
			continue
		}
		added := &task{lane: lane, laned: true}
		if before := l.push(added); before != model[lane] {
			t.Fatalf("lane %d: pushed behind %p, last was %p", lane, before, model[lane])
		}
		model[lane] = added
	}
	if l.n != len(model) {
		t.Errorf("%d lanes, want %d", l.n, len(model))
	}
}
