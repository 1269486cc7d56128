package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vlab-research/burrow/stage"
)

// The crash re-executes the program, which here is the test binary.
func TestMain(m *testing.M) {
	if os.Getenv(jobVariable) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestTheLedgerBalances(t *testing.T) {
	t.Parallel()
	if err := start(t.Context(), []string{"-n", "500"}); err != nil {
		t.Fatal(err)
	}
}

func TestACrashLosesNothing(t *testing.T) {
	t.Parallel()
	if err := start(t.Context(), []string{"-n", "500", "-crash", "-workers", "50"}); err != nil {
		t.Fatal(err)
	}
}

func TestAnInterruptedRunSaysHowFarItCame(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := start(ctx, []string{"-workers", "1"})
	if err == nil || !strings.Contains(err.Error(), "interrupted") || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ended with %v", err)
	}
}

func TestMistakesInTheFlagsAreTold(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-n", "0"}, {"-workers", "-1"}, {"-no-such-flag"}, {"-brokers", "nowhere"}} {
		if err := start(t.Context(), args); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

// The books must see what goes wrong: each case breaks one thing.
func TestTheBooksSeeEachMistake(t *testing.T) {
	t.Parallel()
	good := &produced{Order: Order{ID: 1}, at: stage.Position{Topic: "orders", Offset: 0}}
	bad := &produced{Order: Order{ID: 2}, at: stage.Position{Topic: "orders", Offset: 1}, poison: true}
	cases := map[string]struct {
		saved     map[int]int
		dead      map[stage.Position]int
		committed int64
		crash     *crash
		want      string
	}{
		"all is well":         {saved: map[int]int{1: 1}, dead: map[stage.Position]int{bad.at: 1}, committed: 2},
		"an order is lost":    {dead: map[stage.Position]int{bad.at: 1}, committed: 2, want: "1 orders were lost"},
		"a letter is lost":    {saved: map[int]int{1: 1}, committed: 2, want: "1 orders were lost"},
		"saved a bad one":     {saved: map[int]int{1: 1, 2: 1}, committed: 2, want: "1 orders were lost"},
		"saved twice":         {saved: map[int]int{1: 2}, dead: map[stage.Position]int{bad.at: 1}, committed: 2, want: "1 orders were repeated"},
		"two letters":         {saved: map[int]int{1: 1}, dead: map[stage.Position]int{bad.at: 2}, committed: 2, want: "1 orders were repeated"},
		"both":                {saved: map[int]int{1: 1}, dead: map[stage.Position]int{bad.at: 1, good.at: 1}, committed: 2, want: "1 orders were repeated"},
		"not committed":       {saved: map[int]int{1: 1}, dead: map[stage.Position]int{bad.at: 1}, committed: 1, want: "1 offsets are not committed"},
		"repeated by crash":   {saved: map[int]int{1: 2}, dead: map[stage.Position]int{bad.at: 1}, committed: 2, crash: &crash{}},
		"lost by the crash":   {dead: map[stage.Position]int{bad.at: 1}, committed: 2, crash: &crash{}, want: "1 orders were lost"},
		"too much in a crash": {saved: map[int]int{1: 2 + partitions*window}, dead: map[stage.Position]int{bad.at: 1}, committed: 2, crash: &crash{}, want: "were repeated"},
	}
	for name, tc := range cases {
		var at offsets
		at.end[0], at.committed[0] = 2, tc.committed
		var total row
		for _, r := range audit([]*produced{good, bad}, tally{saved: tc.saved}, tc.dead, at) {
			total.add(r)
		}
		err := balance(total, tc.crash)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %q", name, err, tc.want)
		}
	}
}
