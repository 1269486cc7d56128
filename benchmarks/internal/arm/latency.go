package arm

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"github.com/vlab-research/burrow/benchmarks/internal/load"
	"github.com/vlab-research/burrow/source"
)

// ExtraTrip names the longest that a commit took to be acknowledged.
const ExtraTrip = "trip max"

// settling is left out of the latencies at the start: the group joins, and what was
// produced meanwhile comes at once.
const settling = 2 * time.Second

// latency keeps when each message was given to sarama's channel, when its handler
// began and ended, and when a commit that covers it was acknowledged.
type latency struct {
	began  time.Time
	first  atomic.Int64 // when the first message came
	stamps [][]stamp    // by partition and offset
}

type stamp struct{ fed, started, ended, committed atomic.Int64 }

func newLatency(totals []int64) *latency {
	l := &latency{began: time.Now(), stamps: make([][]stamp, len(totals))}
	for i, total := range totals {
		l.stamps[i] = make([]stamp, total)
	}
	return l
}

func (l *latency) now() int64 { return int64(time.Since(l.began)) }

// OnConsume is called by sarama right before it gives the message to the channel.
func (l *latency) OnConsume(m *sarama.ConsumerMessage) {
	l.stamps[m.Partition][m.Offset].fed.Store(l.now())
}

func (l *latency) handled(p load.Place) {
	now := l.now()
	l.first.CompareAndSwap(0, now)
	l.stamps[p.Partition][p.Offset].started.Store(now)
}

func (l *latency) resolved(p load.Place) { l.stamps[p.Partition][p.Offset].ended.Store(l.now()) }

func (l *latency) acknowledged(partition int32, next int64) {
	now := l.now()
	for offset := next - 1; offset >= 0; offset-- {
		if !l.stamps[partition][offset].committed.CompareAndSwap(0, now) {
			return
		}
	}
}

func (l *latency) report(note func(string, float64)) {
	var added, lag []time.Duration
	from := l.first.Load() + int64(settling)
	for _, stamps := range l.stamps {
		for i := range stamps {
			s := &stamps[i]
			if s.fed.Load() < from || s.started.Load() == 0 {
				continue
			}
			added = append(added, time.Duration(s.started.Load()-s.fed.Load()))
			if at := s.committed.Load(); at > 0 {
				lag = append(lag, time.Duration(at-s.ended.Load()))
			}
		}
	}
	percentiles("latency", added, note)
	percentiles("lag", lag, note)
}

func percentiles(name string, all []time.Duration, note func(string, float64)) {
	if len(all) == 0 {
		return
	}
	slices.Sort(all)
	note(name+" n", float64(len(all)))
	note(name+" p50", all[len(all)/2].Seconds())
	note(name+" p99", all[len(all)*99/100].Seconds())
	note(name+" max", all[len(all)-1].Seconds())
}

// commitWatch sees which commits the broker acknowledged.
type commitWatch struct {
	source.Source
	probe *probe
	trip  time.Duration // the longest; only the committer commits
}

func (w *commitWatch) Commit(ctx context.Context, commits []source.Commit) []error {
	began := time.Now()
	verdicts := w.Source.Commit(ctx, commits)
	w.trip = max(w.trip, time.Since(began))
	w.probe.note(ExtraTrip, w.trip.Seconds())
	for i, c := range commits {
		if i < len(verdicts) && verdicts[i] == nil {
			w.probe.latency.acknowledged(c.Claim.Partition(), c.Next)
		}
	}
	return verdicts
}
