package memory

// assign gives each partition to a member that may have it, or to none (-1).
// It is deterministic, balanced as far as subscriptions let it be, and sticky: a
// partition moves only when its holder (-1: none) is gone or has two more than
// another.
func assign(holders []int, members int, may func(partition, member int) bool) []int {
	owners := make([]int, len(holders))
	load := make([]int, members)
	for p, holder := range holders {
		owners[p] = -1
		if holder >= 0 && may(p, holder) {
			owners[p] = holder
			load[holder]++
		}
	}
	for p, owner := range owners {
		if owner >= 0 {
			continue
		}
		if m := leastLoaded(load, func(m int) bool { return may(p, m) }); m >= 0 {
			owners[p] = m
			load[m]++
		}
	}
	for level(owners, load, may) {
	}
	return owners
}

// level moves one partition to a member with at least two fewer than its owner,
// and returns whether there was one. The last partitions move first.
func level(owners, load []int, may func(partition, member int) bool) bool {
	for p := len(owners) - 1; p >= 0; p-- {
		from := owners[p]
		if from < 0 {
			continue
		}
		to := leastLoaded(load, func(m int) bool { return may(p, m) })
		if to >= 0 && load[to]+1 < load[from] {
			owners[p] = to
			load[from]--
			load[to]++
			return true
		}
	}
	return false
}

// leastLoaded returns the first of the members with the smallest load, or -1.
func leastLoaded(load []int, may func(member int) bool) int {
	best := -1
	for m := range load {
		if may(m) && (best < 0 || load[m] < load[best]) {
			best = m
		}
	}
	return best
}
