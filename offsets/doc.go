// Package offsets decides what may be committed.
//
// Kafka keeps one number for each partition and group: everything below it counts
// as done. A [Tracker] is the window between that number and the last message
// delivered. Messages are admitted in the order of the log and settle (are
// resolved, or fail) in any order; the tracker knows the highest offset up to
// which nothing is missing. A [CommitStrategy] says which offset to commit.
//
//	t := offsets.NewTracker(-1, offsets.Limits{})      // nothing committed yet
//	a, _ := t.Admit(0, 10, now)
//	b, _ := t.Admit(1, 10, now)
//	t.Resolve(b)                                        // 1 is done, 0 is not: a gap
//	t.Snapshot(offsets.Ordered{}, now)                  // nothing to commit
//	t.Resolve(a)
//	t.Snapshot(offsets.Ordered{}, now)                  // 1
//
// All offsets here are of messages: committed 4 means that message 4 is done. Kafka
// stores the offset to read next, one more, and that addition is the source's.
// Offsets need not be adjacent: compaction and transaction markers leave holes, so
// what is contiguous is told by the order of delivery alone.
//
// The package is a leaf: it knows no messages, no goroutines and no Kafka.
package offsets
