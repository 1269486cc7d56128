package judge

import "time"

// Figures are what a run came to.
type Figures struct {
	Produced                    int64
	Started, Finished, Distinct int64 // handlers; Distinct counts each message once
	Failures                    int64
	Repeats                     int64 // messages started again by another tenure
	Lost                        int
	Tenures, Rebalances         int
	Commits, Fenced, Refused    int64
	Pairs, Concurrent, Gaps     int64 // what the order was judged on
	Chances                     int64 // messages that came while one of their key was not finished
	Zombies                     int64 // commits fenced of who was not the owner any more
	Passed                      int64 // holes that a tenure passed over
	Holes, Aborted              int64 // offsets of the log that nobody had to process
	Deleted, Reported           int64 // messages deleted unseen, and offsets that the library says it skipped
	BehindMarkers               int   // partitions whose last offset is no message, at the end
	Overlaps                    int64 // of a key, with a member that had lost its session
	LongestStall                time.Duration
	Stalls                      int   // times that a process did not run for long, though nobody stopped it
	Stale                       int   // tenures that began when another one had the partition
	OldAnswers                  int   // times that a broker knew of an earlier commit than it or another had told
	Excused                     int64 // what a calm time forbids, but the machine was too busy
	LongestFreeze               time.Duration
	Outlived                    int // tenures that a handler outlived
	Broken                      int
}
