package suite_test

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/internal/kafkatest"
	"github.com/vlab-research/burrow/stage"
)

var _ = Describe("A slow partition doesn't slow another one down", func() {
	onKafka("with 20 ms a message in one of eight, the other seven run at 0.8 of their speed or more", func(w *world) {
		if raceDetector {
			Skip("speeds under the race detector say nothing")
		}
		const messages = 200_000 // about a second's worth
		topic := w.topic(8)
		payload := []byte(strings.Repeat("x", 100))
		for p := range int32(8) {
			msgs := make([]stage.Message, messages)
			for i := range msgs {
				msgs[i] = stage.New(nil, payload)
			}
			w.produce(topic, p, msgs...)
		}
		// Runs alternate, each in a group of its own, and the best of each kind count:
		// what else the machine does only ever slows a run down.
		var with, without time.Duration
		for round := 1; round <= 24; round++ {
			without = best(without, w.sevenPartitions(topic, messages, 0))
			with = best(with, w.sevenPartitions(topic, messages, 20*time.Millisecond))
			if round >= 3 && without.Seconds()/with.Seconds() >= 0.8 {
				break
			}
		}
		AddReportEntry("speed of the other seven, against without a slow one", without.Seconds()/with.Seconds())
		Expect(without.Seconds()/with.Seconds()).To(BeNumerically(">=", 0.8), "without %v, with %v", without, with)
	})

	onMemory("also when every worker could be busy with the slow one", func(w *world) {
		topic := w.topic(2)
		for p := range int32(2) {
			w.produce(topic, p, numbered(1000)...)
		}
		r := w.start(topic, func(b burrow.Builder) burrow.Builder {
			return b.WithWorkers(10).WithOrdering(burrow.Unordered).WithDrainTimeout(time.Second).Stage(stage.Func(func(ctx context.Context, m stage.Message) (stage.Message, error) {
				work := time.Millisecond
				if m.Position().Partition == 0 {
					work = time.Minute
				}
				return m, stage.Parking{For: work}.Block(ctx, nil) // a worker is held
			}))
		})
		time.Sleep(2*time.Minute + time.Second)
		w.produce(topic, 1, numbered(1000)...)
		began := time.Now()
		for w.committed(topic, 1) < 2000 {
			time.Sleep(10 * time.Millisecond)
		}
		Expect(time.Since(began)).To(BeNumerically("<", 61*time.Second), "no later than the next slow message ends")
		r.crash()
	})
})

func best(a, b time.Duration) time.Duration {
	if a == 0 {
		return b
	}
	return min(a, b)
}

// sevenPartitions consumes the topic and returns how long partitions 1 to 7 took,
// with this much work on each message of partition 0.
func (w *world) sevenPartitions(topic string, messages int64, work time.Duration) time.Duration {
	GinkgoHelper()
	w.backend.(*kafkaBackend).group = kafkatest.Unique(group)
	var done, first atomic.Int64
	finished := make(chan struct{})
	r := w.start(topic, func(b burrow.Builder) burrow.Builder {
		return b.WithWorkers(100).WithOrdering(burrow.ByPartition).WithDrainTimeout(time.Second).
			Stage(stage.Func(func(_ context.Context, m stage.Message) (stage.Message, error) {
				if m.Position().Partition == 0 {
					time.Sleep(work)
					return m, nil
				}
				first.CompareAndSwap(0, time.Now().UnixNano())
				if done.Add(1) == 7*messages {
					close(finished)
				}
				return m, nil
			}))
	})
	select {
	case <-finished:
	case <-time.After(2 * patience):
		Fail("the other seven did not end")
	}
	took := time.Since(time.Unix(0, first.Load()))
	for _, p := range r.Stats().Partitions {
		Expect(p.Repeats).To(BeNumerically("<=", 10_000), "the window's bound")
	}
	Expect(r.stop()).To(Succeed())
	return took
}
