package kafka

import (
	"slices"
	"testing"

	"github.com/IBM/sarama"
)

var first, second, third = sarama.Uuid{1}, sarama.Uuid{2}, sarama.Uuid{3}

func TestATopicIsRecognisedByItsIDWhateverALaggingBrokerSays(t *testing.T) {
	t.Parallel()
	ids := newTopicIDs()
	for i, step := range []struct {
		found     map[string]sarama.Uuid
		recreated []string
		known     sarama.Uuid
		renewed   bool
	}{
		{found: map[string]sarama.Uuid{}},
		{found: map[string]sarama.Uuid{"orders": first, "refunds": third}, known: first},
		{found: map[string]sarama.Uuid{"refunds": third}, known: first},
		{found: map[string]sarama.Uuid{"orders": second}, recreated: []string{"orders"}, known: second, renewed: true},
		{found: map[string]sarama.Uuid{"orders": first}, known: second, renewed: true}, // of a broker that lags
		{found: map[string]sarama.Uuid{"orders": second}, known: second, renewed: true},
	} {
		if got := ids.learn(step.found); !slices.Equal(got, step.recreated) {
			t.Errorf("step %d: recreated %v, want %v", i, got, step.recreated)
		}
		if got := ids.known["orders"]; got != step.known {
			t.Errorf("step %d: known as %v, want %v", i, got, step.known)
		}
		if got := ids.isRenewed(place{"orders", 0}); got != step.renewed {
			t.Errorf("step %d: renewed %v, want %v", i, got, step.renewed)
		}
	}
	ids.pinned[place{"orders", 0}] = true
	if ids.isRenewed(place{"orders", 0}) || !ids.isRenewed(place{"orders", 1}) || ids.isRenewed(place{"refunds", 0}) {
		t.Error("only the pinned partition has a commit of the new topic")
	}
	ids.learn(map[string]sarama.Uuid{"orders": third})
	if !ids.isRenewed(place{"orders", 0}) {
		t.Error("the pin was of the topic before")
	}
}

func TestAPositionCountsIfItIsOfTheTopicThatIsThere(t *testing.T) {
	t.Parallel()
	const oldest, newest = 10, 100
	fresh := sarama.OffsetNewest
	for name, test := range map[string]struct {
		from     provenance
		initial  int64
		allowed  bool
		start    int64
		isStored bool
		isPassed bool // sarama is ahead of the start
	}{
		"of this topic":          {provenance{stored{50, stamp(first)}, first, false}, 50, true, 50, true, false},
		"of an earlier one":      {provenance{stored{50, stamp(second)}, first, false}, 50, false, oldest, false, true},
		"at the oldest anyway":   {provenance{stored{10, stamp(second)}, first, false}, 10, false, oldest, false, false},
		"of another program":     {provenance{stored{50, "bitmap"}, first, false}, 50, true, 50, true, false},
		"of anybody, renewed":    {provenance{stored{50, ""}, first, true}, 50, false, oldest, false, true},
		"of this one, renewed":   {provenance{stored{50, stamp(first)}, first, true}, 50, true, 50, true, false},
		"the broker has no ids":  {provenance{stored{50, stamp(first)}, sarama.Uuid{}, false}, 50, true, 50, true, false},
		"forgotten meanwhile":    {provenance{stored{-1, ""}, first, false}, 50, false, oldest, false, true},
		"none, oldest":           {provenance{stored{-1, ""}, first, false}, sarama.OffsetOldest, false, oldest, false, false},
		"none, newest":           {provenance{stored{-1, ""}, first, false}, fresh, false, newest, false, false},
		"none, newest, renewed":  {provenance{stored{-1, ""}, first, true}, fresh, false, oldest, false, true},
		"expired, newest":        {provenance{stored{5, stamp(first)}, first, false}, fresh, false, oldest, false, true},
		"of an earlier, newest":  {provenance{stored{500, stamp(second)}, first, false}, fresh, false, oldest, false, true},
		"stored since, newest":   {provenance{stored{60, stamp(first)}, first, false}, fresh, false, 60, true, true},
		"stored since, oldest":   {provenance{stored{60, stamp(first)}, first, false}, sarama.OffsetOldest, false, 60, true, false},
		"further than sarama is": {provenance{stored{60, stamp(first)}, first, false}, 50, true, 60, true, false},
	} {
		if got := test.from.allows(test.initial); got != test.allowed {
			t.Errorf("%s: allowed %v", name, got)
		}
		b := bounds{test.from, oldest, newest}
		start, isStored := b.start(test.initial)
		if start != test.start || isStored != test.isStored {
			t.Errorf("%s: starts at %d (stored %v), want %d (%v)", name, start, isStored, test.start, test.isStored)
		}
		if got := b.isPassed(test.initial, start); got != test.isPassed {
			t.Errorf("%s: sarama has passed it: %v", name, got)
		}
	}
}
