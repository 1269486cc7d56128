// Package guard_test fails when burrow became about a third slower than what it is
// compared with in the same run.
package guard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vlab-research/burrow/benchmarks/internal/arm"
	"github.com/vlab-research/burrow/benchmarks/internal/broker"
	"github.com/vlab-research/burrow/benchmarks/internal/load"
)

// An arm runs beside its reference until the pairs agree. Noise can make a pair look bad,
// so more of them are needed to fail than to pass.
const (
	enough = 4 // good ones pass, if they are twice as many as the bad ones
	most   = 6 // good or bad ones decide in any case
)

func TestMain(m *testing.M) {
	job, is, err := arm.FromEnvironment()
	if !is {
		os.Exit(m.Run())
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(arm.Run(job))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// bar is the least share of the reference's rate that an arm must reach: above two thirds
// of what it usually does.
type bar struct {
	arm   string
	share float64
}

func TestWithoutWorkBurrowKeepsUpWithABareLoop(t *testing.T) {
	compare(t, load.Topic{Messages: 1_000_000, Partitions: 8, Bytes: 100}, load.Work{}, arm.Sarama,
		bar{arm.BurrowUnordered, 0.75}, bar{arm.BurrowKey, 0.72})
}

func TestWhileWaitingBurrowKeepsItsWorkersBusy(t *testing.T) {
	compare(t, load.Topic{Messages: 30_000, Partitions: 8, Bytes: 100}, load.Work{Sleep: 2 * time.Millisecond}, arm.Ideal,
		bar{arm.BurrowUnordered, 0.7}, bar{arm.BurrowKey, 0.7})
}

// verdict collects an arm's ratios.
type verdict struct {
	bar
	ratios []float64
}

func (v *verdict) count() (good, bad int) {
	for _, ratio := range v.ratios {
		if ratio >= v.share {
			good++
		}
	}
	return good, len(v.ratios) - good
}

func (v *verdict) decided() bool {
	good, bad := v.count()
	return good >= enough && good >= 2*bad || max(good, bad) >= most
}

func (v *verdict) failed() bool {
	_, bad := v.count()
	return bad >= most
}

func TestNoiseInAFewPairsIsNoFailure(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ratios          []float64
		decided, failed bool
	}{
		{[]float64{1, 1, 1}, false, false},
		{[]float64{1, 1, 1, 1}, true, false},
		{[]float64{0.1, 1, 1, 0.1, 1, 1}, true, false},
		{[]float64{0.1, 0.1, 0.1, 1, 1, 1, 1}, false, false},
		{[]float64{0.1, 0.1, 0.1, 0.1, 0.1, 1, 1, 1, 1, 1, 1}, true, false},
		{[]float64{0.7, 0.7, 0.7, 0.7, 0.7}, false, false},
		{[]float64{0.7, 0.7, 0.7, 0.7, 0.7, 0.7}, true, true},
	} {
		v := &verdict{bar: bar{share: 0.75}, ratios: c.ratios}
		if v.decided() != c.decided || v.failed() != c.failed {
			t.Errorf("%v: decided %v, failed %v", c.ratios, v.decided(), v.failed())
		}
	}
}

// speed is what a run came to.
type speed struct{ rate, cpu float64 } // cpu: seconds a message

// shaky is by how much the reference's runs around a pair may differ for a rate to say anything.
const shaky = 1.25

// against is the ratio to the reference's runs before and after: of the rates, or of the
// CPU if that is better and the machine too busy for rates.
func (s speed) against(before, after speed) float64 {
	rate := s.rate / ((before.rate + after.rate) / 2)
	if max(before.rate, after.rate) < shaky*min(before.rate, after.rate) {
		return rate
	}
	return max(rate, (before.cpu+after.cpu)/2/s.cpu)
}

func TestCPUCountsWhereRatesSayNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		machine          string
		s, before, after speed
		want             float64
	}{
		{"steady", speed{50, 1}, speed{100, 0.9}, speed{110, 0.9}, 50. / 105},
		{"busier than before", speed{50, 1}, speed{100, 0.8}, speed{40, 1}, 0.9},
		{"busier than behind", speed{50, 1}, speed{40, 0.8}, speed{100, 1}, 0.9},
		{"busy, and the rate is the better one", speed{70, 4}, speed{100, 0.9}, speed{40, 0.9}, 1},
	} {
		if got := c.s.against(c.before, c.after); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("on a machine that is %s it has %.3f, want %.3f", c.machine, got, c.want)
		}
	}
}

// compare runs the reference and the arms in turn. A ratio is to the mean of the reference's
// runs before and after, so that a machine that gets busier or freer changes little.
func compare(t *testing.T, topic load.Topic, work load.Work, reference string, bars ...bar) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	kafka, err := broker.Fake(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close() //nolint:errcheck // the fake's never fails
	name, err := kafka.Create(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	if err := kafka.Fill(ctx, name, topic, 0); err != nil {
		t.Fatal(err)
	}
	measure := func(arm string, round int) speed {
		return speedOf(ctx, t, armJob(kafka, name, topic, work, arm, round))
	}
	var verdicts []*verdict
	for _, b := range bars {
		verdicts = append(verdicts, &verdict{bar: b})
	}
	open := func() []*verdict {
		return slices.DeleteFunc(slices.Clone(verdicts), func(v *verdict) bool { return v.decided() })
	}
	measure(bars[0].arm, -2) // warms the broker up
	before := measure(reference, -1)
	for round := 0; len(open()) > 0; round++ {
		running, speeds := open(), []speed(nil)
		for _, v := range running {
			speeds = append(speeds, measure(v.arm, round))
		}
		after := measure(reference, round)
		for i, v := range running {
			v.ratios = append(v.ratios, speeds[i].against(before, after))
		}
		before = after
	}
	for _, v := range verdicts {
		v.judge(t, reference)
	}
}

func (v *verdict) judge(t *testing.T, reference string) {
	t.Helper()
	slices.Sort(v.ratios)
	least, most := v.ratios[0], v.ratios[len(v.ratios)-1]
	t.Logf("%s: %.2f of %s (%.2f to %.2f, %d pairs)", v.arm, v.ratios[len(v.ratios)/2], reference, least, most, len(v.ratios))
	if v.failed() {
		_, bad := v.count()
		t.Errorf("%s has less than %.2f of the rate of %s in %d of %d pairs", v.arm, v.share, reference, bad, len(v.ratios))
	}
}

func armJob(kafka *broker.Broker, name string, topic load.Topic, work load.Work, arms string, round int) arm.Job {
	return arm.Job{
		Arm: arms, Brokers: kafka.Addrs(), Topic: name, Group: fmt.Sprintf("%s %d", arms, round), Load: topic, Work: work,
		Workers: 100, Window: 10_000, Limit: 20 * time.Second,
	}
}

func speedOf(ctx context.Context, t *testing.T, job arm.Job) speed {
	t.Helper()
	result := arm.Spawned(ctx, job)
	if result.Error != "" || result.Cut {
		t.Fatalf("%s: %s (%d messages in %.1f s)", job.Arm, result.Error, result.Handled, result.Seconds)
	}
	handled := float64(result.Handled)
	return speed{handled / result.Seconds, result.CPU / handled}
}
