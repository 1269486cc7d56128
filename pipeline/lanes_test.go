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
		before := l.push(added)
		if before != model[lane] {
			t.Fatalf("lane %d: pushed behind %p, last was %p", lane, before, model[lane])
		}
		model[lane] = added
		if before != nil {
			if before.crowd != nil {
				t.Fatal("a task that is the last no more links others")
			}
			l.free(before) // a failed one of a drain, with another behind it
			if l.last(lane) != added {
				t.Fatalf("lane %d is free, though another task is its last", lane)
			}
		}
		if buckets := len(l.buckets); l.n > buckets || buckets&(buckets-1) != 0 {
			t.Fatalf("%d buckets for %d lanes", buckets, l.n)
		}
	}
	if l.n != len(model) {
		t.Errorf("%d lanes, want %d", l.n, len(model))
	}
}
