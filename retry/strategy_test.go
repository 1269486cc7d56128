package retry_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/vlab-research/burrow/retry"
)

const ms = time.Millisecond

func delays(s retry.BackoffStrategy, n int) []time.Duration {
	var all []time.Duration
	for attempt := range n {
		all = append(all, s.NextDelay(attempt))
	}
	return all
}

func TestStrategiesGrowAsTheySayAndStopAtMax(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		strategy retry.BackoffStrategy
		want     []time.Duration
	}{
		"exponential":                {retry.Exponential{Base: 100 * ms, Max: 500 * ms}, []time.Duration{100 * ms, 200 * ms, 400 * ms, 500 * ms, 500 * ms}},
		"exponential, zero":          {retry.Exponential{}, []time.Duration{100 * ms, 200 * ms, 400 * ms}},
		"exponential, base over max": {retry.Exponential{Base: time.Hour, Max: time.Second}, []time.Duration{time.Second, time.Second}},
		"exponential, odd max":       {retry.Exponential{Base: 1, Max: 3}, []time.Duration{1, 2, 3, 3}},
		"exponential, longest max":   {retry.Exponential{Base: 1, Max: math.MaxInt64}, []time.Duration{1, 2, 4}},
		"linear, whole steps":        {retry.Linear{Step: 1, Max: 5}, []time.Duration{1, 2, 3, 4, 5, 5}},
		"a user's, no wait":          {retry.Jittered{Strategy: always(0)}, []time.Duration{0, 0}},
		"linear":                     {retry.Linear{Step: 100 * ms, Max: 250 * ms}, []time.Duration{100 * ms, 200 * ms, 250 * ms, 250 * ms}},
		"linear, zero":               {retry.Linear{}, []time.Duration{100 * ms, 200 * ms, 300 * ms}},
		"linear, step over max":      {retry.Linear{Step: time.Hour, Max: time.Second}, []time.Duration{time.Second}},
		"cenkalti, constant": {retry.FromBackOff(func() backoff.BackOff { return backoff.NewConstantBackOff(7 * ms) }),
			[]time.Duration{7 * ms, 7 * ms}},
		"cenkalti, stateful": {retry.FromBackOff(growing), []time.Duration{10 * ms, 20 * ms, 40 * ms}},
		"cenkalti, limited": {retry.FromBackOff(func() backoff.BackOff { return backoff.WithMaxRetries(growing(), 2) }),
			[]time.Duration{10 * ms, 20 * ms, retry.Stop, retry.Stop}},
		"cenkalti, no wait": {retry.FromBackOff(func() backoff.BackOff { return &backoff.ZeroBackOff{} }), []time.Duration{0, 0, 0}},
		"cenkalti, none":    {retry.FromBackOff(nil), []time.Duration{retry.Stop}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := delays(test.strategy, len(test.want)); !slices.Equal(got, test.want) {
				t.Errorf("delays %v, want %v", got, test.want)
			}
		})
	}
}

func growing() backoff.BackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(10*ms), backoff.WithMultiplier(2), backoff.WithRandomizationFactor(0))
}

func TestHugeAttemptsAndWaitsDoNotOverflow(t *testing.T) {
	t.Parallel()
	for _, strategy := range []retry.BackoffStrategy{
		retry.Exponential{Base: 1, Max: math.MaxInt64},
		retry.Exponential{Base: math.MaxInt64 - 1, Max: math.MaxInt64},
		retry.Linear{Step: math.MaxInt64 / 3, Max: math.MaxInt64},
		retry.Jittered{Strategy: retry.Exponential{Base: math.MaxInt64, Max: math.MaxInt64}, Fraction: 1},
	} {
		for _, attempt := range []int{-1, 0, 1, 2, 62, 63, 64, 1000, math.MaxInt} {
			if d := strategy.NextDelay(attempt); d < 0 {
				t.Errorf("%+v attempt %d: %v", strategy, attempt, d)
			}
		}
	}
}

// A message may be tried for weeks: the wait stays what it has become.
func TestTheLongestWaitStays(t *testing.T) {
	t.Parallel()
	for _, strategy := range []retry.BackoffStrategy{
		retry.Exponential{Base: 100 * ms, Max: 500 * ms}, retry.Linear{Step: 100 * ms, Max: 500 * ms},
	} {
		for _, attempt := range []int{5, 62, 63, 64, 65, 1000} {
			if d := strategy.NextDelay(attempt); d != 500*ms {
				t.Errorf("%+v attempt %d: %v", strategy, attempt, d)
			}
		}
	}
	longest := retry.Jittered{Strategy: always(math.MaxInt64), Fraction: 1e-20} // too little to leave the longest wait
	if d := longest.NextDelay(0); d != math.MaxInt64 {
		t.Errorf("the longest wait, hardly spread: %v", d)
	}
}

func TestJitterStaysWithinItsFractionAndSpreads(t *testing.T) {
	t.Parallel()
	for fraction, want := range map[float64]float64{0: retry.DefaultFraction, 0.2: 0.2, 1: 1, 7: 1, math.NaN(): retry.DefaultFraction} {
		strategy := retry.Jittered{Strategy: retry.Linear{Step: time.Second}, Fraction: fraction}
		low, high := time.Duration(math.MaxInt64), time.Duration(0)
		for range 2000 {
			d := strategy.NextDelay(0)
			low, high = min(low, d), max(high, d)
		}
		spread := time.Duration(want * float64(time.Second))
		if low < time.Second-spread || high > time.Second+spread {
			t.Errorf("fraction %v: from %v to %v leaves 1s±%v", fraction, low, high, spread)
		}
		if high-low < spread {
			t.Errorf("fraction %v: from %v to %v hardly spreads", fraction, low, high)
		}
	}
	if d := (retry.Jittered{Strategy: retry.FromBackOff(nil)}).NextDelay(0); d != retry.Stop {
		t.Errorf("a strategy that stops gives %v when jittered", d)
	}
}

func TestEachMessageHasItsOwnSequence(t *testing.T) {
	t.Parallel()
	for name, strategy := range map[string]retry.BackoffStrategy{
		"strategy": retry.Exponential{Base: 10 * ms}, "cenkalti": retry.FromBackOff(growing),
	} {
		one, two := retry.Sequence(strategy), retry.Sequence(strategy)
		one.NextBackOff()
		if got := one.NextBackOff(); got != 20*ms {
			t.Errorf("%s: second wait %v", name, got)
		}
		if got := two.NextBackOff(); got != 10*ms {
			t.Errorf("%s: first wait of another message %v", name, got)
		}
		one.Reset()
		if got := one.NextBackOff(); got != 10*ms {
			t.Errorf("%s: first wait after Reset %v", name, got)
		}
	}
}

func TestCenkaltisElapsedTimeCountsPerMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		strategy := retry.FromBackOff(func() backoff.BackOff {
			return backoff.NewExponentialBackOff(backoff.WithMaxElapsedTime(time.Second))
		})
		time.Sleep(time.Hour)
		sequence := retry.Sequence(strategy)
		if sequence.NextBackOff() < 0 {
			t.Error("stopped at the first failure")
		}
		time.Sleep(2 * time.Second)
		if sequence.NextBackOff() != retry.Stop {
			t.Error("goes on after its elapsed time")
		}
	})
}

func TestValidateNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		strategy retry.BackoffStrategy
		want     string
	}{
		"nil":              {nil, "retry.Exponential{}"},
		"base":             {retry.Exponential{Base: -1}, "Exponential.Base"},
		"max":              {retry.Exponential{Max: -1}, "Exponential.Max"},
		"step":             {retry.Linear{Step: -1}, "Linear.Step"},
		"linear max":       {retry.Linear{Max: -1}, "Linear.Max"},
		"fraction":         {retry.Jittered{Fraction: 1.5}, "Jittered.Fraction"},
		"nan":              {retry.Jittered{Fraction: math.NaN()}, "Jittered.Fraction"},
		"inner":            {retry.Jittered{Strategy: retry.Linear{Step: -1}}, "Linear.Step"},
		"no function":      {retry.FromBackOff(nil), "FromBackOff"},
		"no policy":        {retry.FromBackOff(func() backoff.BackOff { return nil }), "FromBackOff"},
		"right":            {retry.Jittered{}, ""},
		"right, all of it": {retry.Jittered{Fraction: 1}, ""},
		"right, cenkalti":  {retry.FromBackOff(growing), ""},
		"right, a user's":  {never{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := retry.Validate(test.strategy)
			if (err == nil) != (test.want == "") {
				t.Fatalf("Validate: %v", err)
			}
			if err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q doesn't name %q", err, test.want)
			}
		})
	}
}

type never struct{}

func (never) NextDelay(int) time.Duration { return -5 }

// always waits the same.
type always time.Duration

func (a always) NextDelay(int) time.Duration { return time.Duration(a) }

func TestNoWaitIsNotTheEnd(t *testing.T) {
	t.Parallel()
	if d := retry.Sequence(always(0)).NextBackOff(); d != 0 {
		t.Errorf("the loop gets %v, want no wait", d)
	}
}

func TestAnyNegativeWaitGivesUp(t *testing.T) {
	t.Parallel()
	if d := retry.Sequence(never{}).NextBackOff(); d != backoff.Stop {
		t.Errorf("the loop gets %v", d)
	}
	err := backoff.Retry(func() error { return errors.New("no") }, retry.Sequence(never{}))
	if err == nil || err.Error() != "no" {
		t.Errorf("Retry: %v", err)
	}
}
