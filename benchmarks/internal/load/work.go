package load

import (
	"fmt"
	"time"
)

// Work says how long the handling of each message takes.
type Work struct {
	// Sleep is how long each takes; with Random, at most: each between 0 and Sleep.
	Sleep  time.Duration
	Random bool
	// Slow is how long each message of partition 0 takes. Its messages aren't counted then.
	Slow time.Duration
	// Counted leaves partition 0 out also when Slow is 0, for the comparison.
	SkipFirst bool
}

// String describes the work in a few letters.
func (w Work) String() string {
	switch {
	case w.Slow > 0:
		return fmt.Sprintf("none, %v in partition 0", w.Slow)
	case w.Random:
		return fmt.Sprintf("0–%v", w.Sleep)
	case w.Sleep == 0:
		return "none"
	}
	return w.Sleep.String()
}

// Of returns how long a message takes, the same for every arm.
func (w Work) Of(p Place) time.Duration {
	switch {
	case w.Slow > 0 && p.Partition == 0:
		return w.Slow
	case w.Random:
		return time.Duration(mix(uint64(p.Partition)<<48^uint64(p.Offset)) % uint64(w.Sleep))
	}
	return w.Sleep
}

// Counts tells whether a partition's messages count.
func (w Work) Counts(partition int) bool { return partition != 0 || (w.Slow == 0 && !w.SkipFirst) }

// Waits tells whether handlers sleep at all.
func (w Work) Waits() bool { return w.Sleep > 0 || w.Slow > 0 }

// Mean is how long a message takes on average.
func (w Work) Mean() time.Duration {
	if w.Random {
		return w.Sleep / 2
	}
	return w.Sleep
}

// mix is the finaliser of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
