package main

import (
	"slices"
	"testing"

	"github.com/vlab-research/burrow/chaos/internal/judge"
	"github.com/vlab-research/burrow/chaos/internal/world"
)

// complete are rounds that came to everything.
func complete() []world.Result {
	var rounds []world.Result
	for i, topic := range topics() {
		r := world.Result{Returned: 1, Replaced: 1, Figures: judge.Figures{
			Zombies: 1, Refused: 1, Outlived: 1, Repeats: 1, Chances: 1, Aborted: 1, BehindMarkers: 1, Passed: 1, Deleted: 1,
		}}
		r.Topic, r.Strategy, r.Ordering = topic, strategies()[i%3], orderings()[i%3]
		for _, kind := range world.Kinds() {
			r.Faults = append(r.Faults, &judge.Fault{Kind: kind})
		}
		rounds = append(rounds, r)
	}
	return rounds
}

func TestARunThatCameToEverythingMissesNothing(t *testing.T) {
	t.Parallel()
	if missed := missed(complete()); len(missed) > 0 {
		t.Errorf("missed %q", missed)
	}
}

func TestWhatARunNeverCameToIsNamed(t *testing.T) {
	t.Parallel()
	all := missed(nil)
	for _, want := range []string{
		"a zombie's commit is fenced", "a message is deleted unseen", "a tenure passes a compacted hole",
		"a static member is fenced by its name", "broker kill -9", "replies lost", "messages deleted", "range", "unordered",
	} {
		if !slices.Contains(all, want) {
			t.Errorf("%q is not among what an empty run misses", want)
		}
	}
	rounds := complete()
	for i := range rounds {
		rounds[i].Zombies = 0
		rounds[i].Faults = slices.DeleteFunc(rounds[i].Faults, func(f *judge.Fault) bool { return f.Kind == "half-open" })
	}
	if got, want := missed(rounds), []string{"a zombie's commit is fenced", "half-open"}; !slices.Equal(got, want) {
		t.Errorf("missed %q, want %q", got, want)
	}
}

// However long the rounds are, the kinds come in turn: none stays with another.
func TestAllKindsOfRoundsMeet(t *testing.T) {
	t.Parallel()
	type pair struct{ a, b string }
	met := make(map[pair]bool)
	for i := range 24 {
		p := plan(options{}, i, 0)
		met[pair{p.Topic, p.Strategy}] = true
		met[pair{p.Topic, p.Ordering}] = true
		met[pair{p.Strategy, p.Ordering}] = true
		met[pair{p.Topic, membership(p.Static)}] = true
		met[pair{p.Strategy, membership(p.Static)}] = true
	}
	if want := 12 + 12 + 9 + 8 + 6; len(met) != want {
		t.Errorf("%d of %d pairs meet: %v", len(met), want, met)
	}
}
