package offsets

// FindCommittableOffset returns the highest offset from lastCommitted to
// highWatermark (inclusive) up to which every offset behind lastCommitted is
// processed, and lastCommitted if the next one isn't. It takes offsets as
// adjacent, and a missing one as not processed. It is pure, O(result − lastCommitted),
// and the oracle of the [Tracker]'s tests.
func FindCommittableOffset(processed map[int64]bool, lastCommitted, highWatermark int64) int64 {
	committable := lastCommitted
	for committable < highWatermark && processed[committable+1] {
		committable++
	}
	return committable
}

// HasGaps tells whether an offset from start to end (inclusive) is not processed.
// An empty range, end below start, has none. It is pure.
func HasGaps(processed map[int64]bool, start, end int64) bool {
	if end < start {
		return false
	}
	return !processed[start] || FindCommittableOffset(processed, start, end) < end
}
