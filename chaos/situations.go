package main

import (
	"github.com/vlab-research/burrow/chaos/internal/world"
)

// situation is something that a long run must have come to, or it has shown nothing.
type situation struct {
	name string
	in   func(world.Result) int64
}

func (s situation) reached(results []world.Result) (n int64) {
	for _, r := range results {
		n += s.in(r)
	}
	return n
}

func situations() []situation {
	all := []situation{
		{"a zombie's commit is fenced", func(r world.Result) int64 { return r.Zombies }},
		{"a commit is to be tried again", func(r world.Result) int64 { return r.Refused }},
		{"a handler outlives its tenure", func(r world.Result) int64 { return int64(r.Outlived) }},
		{"a new owner repeats messages", func(r world.Result) int64 { return r.Repeats }},
		{"a message comes while its key is busy", func(r world.Result) int64 { return r.Chances }},
		{"a killed static member comes back with its name", func(r world.Result) int64 { return int64(r.Returned) }},
		{"a static member is fenced by its name", func(r world.Result) int64 { return int64(r.Replaced) }},
		{"a message is aborted", func(r world.Result) int64 { return r.Aborted }},
		{"a partition ends in a marker", func(r world.Result) int64 { return int64(r.BehindMarkers) }},
		{"a tenure passes a marker or what was aborted", func(r world.Result) int64 { return only(r, world.Transactions, r.Passed) }},
		{"a tenure passes a compacted hole", func(r world.Result) int64 { return only(r, world.Compacted, r.Passed) }},
		{"a message is deleted unseen", func(r world.Result) int64 { return r.Deleted }},
	}
	for _, kind := range world.Kinds() {
		all = append(all, situation{kind, func(r world.Result) (n int64) {
			for _, f := range r.Faults {
				if f.Kind == kind {
					n++
				}
			}
			return n
		}})
	}
	for _, strategy := range strategies() {
		all = append(all, situation{strategy, func(r world.Result) int64 { return one(r.Strategy == strategy) }})
	}
	for _, ordering := range orderings() {
		all = append(all, situation{ordering, func(r world.Result) int64 { return one(r.Ordering == ordering) }})
	}
	return all
}

func only(r world.Result, topic string, n int64) int64 {
	if r.Topic == topic {
		return n
	}
	return 0
}

func one(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// missed names the situations that no round came to.
func missed(results []world.Result) (names []string) {
	for _, s := range situations() {
		if s.reached(results) == 0 {
			names = append(names, s.name)
		}
	}
	return names
}
