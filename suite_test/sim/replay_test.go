package sim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// TestASeedReplays plays seeds twice in this process and once in others, and expects the
// same traces, to the last line.
//
// With plain go test, which of several goroutines comes first at one instant is the scheduler's
// choice, and with it who gets the last free worker, and all that follows. There, what is
// equal is what is judged in the end, and how many traces are equal is only counted.
func TestASeedReplays(t *testing.T) {
	const seeds = 50
	others := newCampaign()
	if replays {
		others.spawn(t, seeds)
	}
	same := 0
	for seed := int64(1); seed <= seeds; seed++ {
		first, second := quietly(t, seed), quietly(t, seed)
		if a, b := first.outcome(), second.outcome(); a != b {
			t.Errorf("seed %d ends differently:\n%s\n%s", seed, a, b)
		}
		if at := difference(first, second); at == "" {
			same++
		} else if replays {
			t.Errorf("seed %d replays otherwise: %s", seed, at)
		}
		if replays && others.Traces[seed] != first.hash() {
			t.Errorf("seed %d plays otherwise in another process", seed)
		}
	}
	t.Logf("%d of %d seeds gave the same whole trace", same, seeds)
}

func quietly(t *testing.T, seed int64) (l *ledger) {
	t.Helper()
	settle(t, seed)
	synctest.Test(t, func(*testing.T) {
		w := newWorld(seed)
		l = w.ledger
		w.run()
	})
	return l
}

// difference shows where two traces part; it is empty if they don't.
func difference(first, second *ledger) string {
	a, b := strings.Split(first.String(), "\n"), strings.Split(second.String(), "\n")
	if slices.Equal(a, b) {
		return ""
	}
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d\n%s\n%s", i, a[i], b[i])
		}
	}
	return "one goes on"
}

// outcome tells the end of a run: what was broken, produced, resolved and committed.
func (l *ledger) outcome() string {
	text := fmt.Sprint(l.broken)
	for p, h := range l.partitions {
		text += fmt.Sprintf("\np%d produced %v, committed %d", p, h.produced, h.stored)
	}
	return text
}
