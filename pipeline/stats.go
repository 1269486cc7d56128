package pipeline

import (
	"cmp"
	"time"

	"github.com/vlab-research/burrow/offsets"
)

// Stats are a pipeline's numbers at one moment. Totals count since Run began,
// those of partitions that were given up included.
type Stats struct {
	// Received counts the messages admitted to a window. Each ends in one of
	// Processed, Skipped, DeadLettered or Failed, or its partition is given up first.
	Received, Processed, Skipped, DeadLettered, Failed int64
	// Retried counts further tries, of any message.
	Retried int64
	// Cut counts attempts that were cancelled because of [HeadOfLine].
	Cut int64
	// Passed counts failed messages that the commit strategy committed past.
	Passed int64
	// Late counts results that came after their partition was given up.
	Late int64
	// Commits and CommitFailures count the broker's verdicts, one a partition.
	Commits, CommitFailures int64
	// Rebalances counts the assignments.
	Rebalances int64

	// InFlight is how many messages are being processed now, Parked how many wait
	// without a worker, and Queued how many wait for one.
	InFlight, Parked, Queued int
	// Workers is how many workers may be busy at once.
	Workers int

	// Partitions are those held now, by topic and partition.
	Partitions []PartitionStats
}

// PartitionStats are the numbers of one partition since it was assigned.
type PartitionStats struct {
	Topic     string
	Partition int32

	Received, Processed, Skipped, DeadLettered, Failed, Retried, Cut, Passed int64
	Commits, CommitFailures                                                  int64

	InFlight, Parked, Queued int

	// Committed is the last offset that the broker acknowledged, Committable the
	// one that could be committed now; both are of messages, −1 if there is none.
	Committed, Committable int64
	// HighWatermark is the offset behind the partition's last message.
	HighWatermark int64
	// Lag is how many offsets lie between the commit and the high watermark.
	Lag int64
	// LagTime is how old the oldest message is that is not resolved, by its timestamp; 0 without lag.
	LagTime time.Duration
	// Repeats is what a crash now would have delivered again: delivered and not
	// committed. Done of them are settled, so that work would be done twice.
	Repeats, Done int
	// WindowUsed is the share of the window in use, by messages or bytes, from 0 to 1.
	WindowUsed float64
	// Held is how many messages were fetched and have no room in the window.
	Held int
	// OldestUnresolved is the offset that holds the committable one, −1 if none
	// does, and OldestAge since when.
	OldestUnresolved int64
	OldestAge        time.Duration
	// HeadOfLine tells that the window takes no more because of that message alone. See [ErrHeadOfLine].
	HeadOfLine bool
	// ParkedBy counts the parked messages by what they wait for: "retry",
	// "ratelimit", "breaker", "batch", …; nil if there are none.
	ParkedBy map[string]int
	// OldestParked is the offset of the message whose present wait is the longest,
	// −1 if none is parked, and OldestParkedAge since when. [Pipeline.Explain] tells more of the one that holds the commit.
	OldestParked    int64
	OldestParkedAge time.Duration
	// NextRetry is when the first parked message goes on; zero if none waits for a time.
	NextRetry time.Time
	// Draining tells that the partition is being given up.
	Draining bool
	// Frozen tells that the claim failed too often and FailureMode is Freeze.
	Frozen bool
}

// counts are a claim's totals; its mutex guards them.
type counts struct {
	skipped, deadLettered, failed, retried, cut, passed int64
	commits, commitFailures                             int64
	parked                                              int
}

// count adds one end of a message. The claim's mutex is held.
func (c *claim) count(o outcome, changed bool) {
	switch {
	case !changed && o != abandoned:
		c.e.late.Add(1)
	case o == skipped:
		c.counts.skipped++
	case o == deadLettered:
		c.counts.deadLettered++
	case o == failed:
		c.counts.failed++
	}
}

func (c *claim) stats(now time.Time) PartitionStats {
	usage := c.tracker.Usage()
	committable := c.committableNow(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	s := PartitionStats{
		Topic: c.name.topic, Partition: c.name.partition,
		Skipped: c.counts.skipped, DeadLettered: c.counts.deadLettered, Failed: c.counts.failed,
		Retried: c.counts.retried, Cut: c.counts.cut, Passed: c.counts.passed,
		Commits: c.counts.commits, CommitFailures: c.counts.commitFailures,
		Parked:    c.counts.parked,
		Committed: usage.Committed, Committable: committable,
		HighWatermark: max(c.src.HighWatermark(), usage.Delivered+1),
		Repeats:       usage.Uncommitted, WindowUsed: c.tracker.Fill(), Held: int(c.heldNow.Load()),
		OldestUnresolved: -1, OldestParked: -1, HeadOfLine: c.isHeadOfLine(), Frozen: c.frozen != nil, Draining: c.begun,
	}
	s.tally(usage, c, now)
	s.Lag = s.HighWatermark - s.Committed - 1
	if usage.Held {
		s.OldestUnresolved, s.OldestAge = usage.Oldest.Offset, now.Sub(usage.Oldest.Since)
	}
	if oldest := c.oldestTask(); oldest != nil && s.Lag > 0 && !oldest.msg.Timestamp().IsZero() {
		s.LagTime = max(now.Sub(oldest.msg.Timestamp()), 0)
	}
	return s
}

// tally fills in what follows from the window and the claim's tasks. The
// claim's mutex is held.
func (s *PartitionStats) tally(usage offsets.Usage, c *claim, now time.Time) {
	s.Received = usage.Admitted
	resolved := usage.Admitted - int64(usage.Pending) - int64(usage.Failed) - c.counts.passed
	s.Processed = max(resolved-s.Skipped-s.DeadLettered, 0)
	for t := c.live.oldest; t != nil; t = t.newer {
		switch t.state {
		case taskQueued:
			s.Queued++
		case taskRunning:
			s.InFlight++
		case taskParked:
			s.park(t, now)
		case taskFailed, taskDropped:
		}
	}
	s.Done = max(s.Repeats-usage.Pending, 0)
	if unlisted := max(usage.Pending-c.live.n, 0); unlisted > 0 { // the reader has them
		running := min(int(c.inline.word.Load()&1), unlisted)
		s.InFlight += running
		s.Queued += unlisted - running
	}
}

func (s *PartitionStats) park(t *task, now time.Time) {
	if s.ParkedBy == nil {
		s.ParkedBy = make(map[string]int)
	}
	s.ParkedBy[cmp.Or(t.parking.reason, "park")]++
	if age := now.Sub(t.parking.since); s.OldestParked < 0 || age > s.OldestParkedAge {
		s.OldestParked, s.OldestParkedAge = t.msg.Position().Offset, age
	}
	if until := t.parking.until; !until.IsZero() && (s.NextRetry.IsZero() || until.Before(s.NextRetry)) {
		s.NextRetry = until
	}
}

// oldestTask returns the claim's oldest message that is not resolved, nil if there
// is none but one that the reader runs. The claim's mutex is held.
func (c *claim) oldestTask() *task {
	live, stuck := c.live.oldest, c.stuck.oldest
	if live == nil || (stuck != nil && stuck.ticket < live.ticket) {
		return stuck
	}
	return live
}

// committableNow asks the strategy; one that panics is dealt with at the next commit.
func (c *claim) committableNow(now time.Time) (offset int64) {
	defer func() {
		if recover() != nil {
			offset = c.tracker.Usage().Committed
		}
	}()
	return c.tracker.Committable(c.e.cfg.Strategy, now)
}

// totals returns what stays of the claim's numbers when it ends.
func (c *claim) totals() Stats {
	var s Stats
	s.addPartition(c.stats(time.Now()))
	s.InFlight, s.Parked, s.Queued, s.Partitions = 0, 0, 0, nil
	return s
}

func (s *Stats) addPartition(p PartitionStats) {
	s.add(Stats{
		Received: p.Received, Processed: p.Processed, Skipped: p.Skipped, DeadLettered: p.DeadLettered,
		Failed: p.Failed, Retried: p.Retried, Cut: p.Cut, Passed: p.Passed,
		Commits: p.Commits, CommitFailures: p.CommitFailures,
		InFlight: p.InFlight, Parked: p.Parked, Queued: p.Queued,
	})
	s.Partitions = append(s.Partitions, p)
}

func (s *Stats) add(o Stats) {
	s.Received += o.Received
	s.Processed += o.Processed
	s.Skipped += o.Skipped
	s.DeadLettered += o.DeadLettered
	s.Failed += o.Failed
	s.Retried += o.Retried
	s.Cut += o.Cut
	s.Passed += o.Passed
	s.Commits += o.Commits
	s.CommitFailures += o.CommitFailures
	s.InFlight += o.InFlight
	s.Parked += o.Parked
	s.Queued += o.Queued
}
