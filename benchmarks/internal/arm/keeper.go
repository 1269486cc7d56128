package arm

import (
	"fmt"

	"github.com/vlab-research/burrow/benchmarks/internal/checkpoints"
	"github.com/vlab-research/burrow/benchmarks/internal/load"
	"github.com/vlab-research/burrow/internal/windowbench"
)

// Names of what a keeper's run measures, in seconds, and of the most objects that one
// of its messages cost.
const (
	ExtraTwoCores      = "two cores"
	ExtraAllocs        = "objects"
	ExtraSnapshotLeast = "snapshot, least"
	ExtraSnapshotMost  = "snapshot, most"
)

// ExtraOf names the time of a message when n are in flight and finish in the order.
func ExtraOf(order string, n int) string { return fmt.Sprintf("%s, %d", order, n) }

// KeeperSizes are how many messages are in flight when keepers are timed.
func KeeperSizes() []int { return []int{1_000, 10_000} }

// keeperArm times a way to know what may be committed, without Kafka and consumers.
func keeperArm[T any](name string, newKeeper func() windowbench.Keeper[T]) Arm {
	return Arm{Name: name, keep: func(note func(string, float64)) {
		most := 0.0
		seconds := func(name string, f windowbench.Figures) {
			most = max(most, f.Allocs)
			note(name, f.Nanoseconds/1e9)
		}
		for _, order := range windowbench.Orders() {
			for _, n := range KeeperSizes() {
				seconds(ExtraOf(order, n), windowbench.Time(newKeeper, order, n))
			}
		}
		seconds(ExtraTwoCores, windowbench.TimeShared(newKeeper, 1))
		note(ExtraAllocs, most)
		if name == KeepWindow {
			snapshots(note)
		}
	}}
}

// snapshots notes the quickest and the slowest of windows of any size and shape.
func snapshots(note func(string, float64)) {
	least, most := 0.0, 0.0
	for _, shape := range windowbench.Shapes() {
		for _, n := range windowbench.SnapshotSizes() {
			took := windowbench.TimeSnapshot(shape, n).Nanoseconds / 1e9
			if most = max(most, took); least == 0 || took < least {
				least = took
			}
		}
	}
	note(ExtraSnapshotLeast, least)
	note(ExtraSnapshotMost, most)
}

// keepers are the arms that consume nothing.
func keepers() []Arm {
	return []Arm{
		keeperArm(KeepWindow, windowbench.NewWindow),
		keeperArm(KeepPlain, windowbench.NewPlain),
		keeperArm(KeepMap, windowbench.NewMap),
		keeperArm(KeepUncapped, checkpoints.NewUncapped),
		keeperArm(KeepCapped, checkpoints.NewCapped),
	}
}

func (a Arm) measureKeeper() Result {
	r := Result{Extra: make(map[string]float64)}
	a.keep(func(name string, value float64) { r.Extra[name] = value })
	r.RSS = load.MaxRSS()
	return r
}
