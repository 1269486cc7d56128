package page

import (
	"fmt"
	"strings"

	"github.com/vlab-research/burrow/benchmarks/internal/arm"
	"github.com/vlab-research/burrow/benchmarks/internal/results"
	"github.com/vlab-research/burrow/internal/windowbench"
)

// keepers compares ways to know what may be committed.
func keepers(f results.File) string {
	found := of(f, "keepers")
	if len(found) == 0 {
		return ""
	}
	head := []string{"way"}
	for _, order := range windowbench.Orders() {
		for _, n := range arm.KeeperSizes() {
			head = append(head, fmt.Sprintf("%s, %s", order, Thousands(float64(n))))
		}
	}
	t := newTable(append(head, "from two cores", "allocations")...)
	var snapshot string
	for _, r := range rows(&f, found[0]) {
		line := []string{r.Name}
		for _, order := range windowbench.Orders() {
			for _, n := range arm.KeeperSizes() {
				line = append(line, nanos(r.extra(arm.ExtraOf(order, n))))
			}
		}
		t.row(append(line, nanos(r.extra(arm.ExtraTwoCores)), fmt.Sprintf("%.1f", r.extra(arm.ExtraAllocs)))...)
		if r.Name == arm.KeepWindow {
			snapshot = fmt.Sprintf("\nA snapshot of burrow's window takes %s to %s, over windows of %s messages and gaps of %d shapes.\n",
				nanos(r.extra(arm.ExtraSnapshotLeast)), nanos(r.extra(arm.ExtraSnapshotMost)), sizesInWords(), len(windowbench.Shapes()))
		}
	}
	return "## What may be committed\n\nTo take a message into the window and to resolve it, without Kafka: as many messages as the head says are in flight and finish in that order.\n\n" + t.String() + snapshot
}

func sizesInWords() string {
	var all []string
	for _, n := range windowbench.SnapshotSizes() {
		all = append(all, Thousands(float64(n)))
	}
	return strings.Join(all, ", ")
}
