package kafka_test

import (
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// toll is what a broker takes for a question of this package, so that many claims come to it
// meanwhile.
const toll = 20 * time.Millisecond

// tally counts what is asked for n partitions that have no commit. Sarama itself asks for each
// once what the group has stored, and then twice for its log.
type tally struct {
	partitions int
	begun      chan struct{} // sarama has read all that it needs
	measured   chan struct{} // and this package has read all that it needs

	mu                      sync.Mutex
	fetches, lists, commits int
	listed, committed       map[int32]int // how often, by partition
	sum                     int           // of the partitions that were listed
}

// gather holds the first question of this package until all claims have come to theirs, and
// its first commit until all have come to that. The rest of its questions take their toll.
func gather(c *kfake.Cluster, n int) *tally {
	t := &tally{
		partitions: n, begun: make(chan struct{}), measured: make(chan struct{}),
		listed: make(map[int32]int), committed: make(map[int32]int),
	}
	for _, key := range []kmsg.Key{kmsg.ListOffsets, kmsg.OffsetFetch, kmsg.OffsetCommit} {
		c.ControlKey(int16(key), func(r kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			if until := t.note(r); until != nil {
				c.SleepControl(func() { <-until; <-time.After(toll) })
			}
			return nil, nil, false
		})
	}
	return t
}

// note returns what the request has to wait for, nil if it is sarama's.
func (t *tally) note(r kmsg.Request) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch r := r.(type) {
	case *kmsg.ListOffsetsRequest:
		t.lists++
		for _, at := range r.Topics[0].Partitions {
			t.list(at.Partition)
		}
	case *kmsg.OffsetFetchRequest:
		if t.fetches++; t.fetches > t.partitions+1 { // after sarama's, and the one for the assignment
			return t.begun
		}
	case *kmsg.OffsetCommitRequest:
		for _, at := range r.Topics[0].Partitions {
			t.committed[at.Partition]++
		}
		t.commits++
		return t.measured
	}
	return nil
}

func (t *tally) list(partition int32) {
	t.listed[partition]++
	t.sum++
	switch t.sum {
	case 2 * t.partitions:
		close(t.begun)
	case 4 * t.partitions:
		close(t.measured)
	}
}

// isOwn reports whether a request isn't sarama's.
func (t *tally) isOwn(kmsg.Request) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sum > 2*t.partitions
}

// own are the requests that aren't sarama's.
func (t *tally) own() (fetches, lists, commits int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fetches - t.partitions, t.lists - 2*t.partitions, t.commits
}

// times returns how often a partition was asked for, in all requests.
func (t *tally) times(partition int32) (listed, committed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.listed[partition], t.committed[partition]
}
