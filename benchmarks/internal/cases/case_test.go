package cases_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/vlab-research/burrow/benchmarks/internal/arm"
	"github.com/vlab-research/burrow/benchmarks/internal/cases"
)

func list(t *testing.T, p cases.Plan) []cases.Case {
	t.Helper()
	p.Seconds = 2
	all, err := cases.List(p)
	if err != nil || len(all) == 0 {
		t.Fatalf("%d cases, %v", len(all), err)
	}
	return all
}

func TestTheMainCasesComeFirst(t *testing.T) {
	t.Parallel()
	all, main := list(t, cases.Plan{}), list(t, cases.Plan{Short: true})
	for i, c := range main {
		if all[i].ID() != c.ID() {
			t.Errorf("case %d is %s, not %s", i, all[i].ID(), c.ID())
		}
	}
}

func TestCasesHaveDifferentNamesAndKnownArms(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, c := range list(t, cases.Plan{}) {
		if seen[c.ID()] {
			t.Errorf("%s is there twice", c.ID())
		}
		seen[c.ID()] = true
		for _, name := range c.Arms {
			if arm.All()[name].Name == "" {
				t.Errorf("%s: no arm %q", c.ID(), name)
			}
		}
	}
}

// The grid of the Parallel Consumer's README: by partition, by 1 to 10 000 keys, unordered.
func TestTheReadmeGridIsComplete(t *testing.T) {
	t.Parallel()
	var keys []int
	for _, c := range list(t, cases.Plan{Sets: []string{"readme"}}) {
		if c.Load.Messages != 10_000 || c.Load.Partitions != 1 || c.Workers != 16 || !c.Work.Random {
			t.Errorf("%s: %+v", c.ID(), c)
		}
		if !strings.HasPrefix(c.Name, "by key") {
			continue
		}
		keys = append(keys, c.Load.Keys)
		if !slices.Equal(c.Arms, []string{arm.IdealKey, arm.BurrowKey, arm.ParallelKey}) {
			t.Errorf("%s has %v", c.ID(), c.Arms)
		}
	}
	slices.Sort(keys)
	if want := []int{1, 2, 5, 10, 20, 50, 100, 1000, 10_000}; !slices.Equal(keys, want) {
		t.Errorf("by %v keys, want %v", keys, want)
	}
	if n := len(list(t, cases.Plan{Sets: []string{"readme"}})); n != len(keys)+2 {
		t.Errorf("%d rows", n)
	}
}
