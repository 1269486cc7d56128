package main

import (
	"maps"
	"testing"
	"testing/synctest"

	"github.com/vlab-research/burrow/middleware"
)

func TestEachFailureBecomesALetter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker := newBroker()
		stats, err := consume(broker)
		if err != nil || stats.Processed != 2 || stats.DeadLettered != 3 {
			t.Fatalf("error %v, stats %+v", err, stats)
		}
		tries := make(map[int64]int)
		for _, msg := range broker.Messages(graveyard, 0) {
			letter, err := middleware.ParseDeadLetter(msg.Headers())
			if err != nil {
				t.Fatal(err)
			}
			tries[letter.Position.Offset] = letter.Attempts
		}
		if want := map[int64]int{1: 1, 2: 4, 3: 4}; !maps.Equal(tries, want) {
			t.Errorf("tries by offset %v, want %v", tries, want)
		}
		if err := visit(broker); err != nil {
			t.Error(err)
		}
	})
}
