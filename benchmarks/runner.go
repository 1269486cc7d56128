package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/vlab-research/burrow/benchmarks/internal/arm"
	"github.com/vlab-research/burrow/benchmarks/internal/broker"
	"github.com/vlab-research/burrow/benchmarks/internal/cases"
	"github.com/vlab-research/burrow/benchmarks/internal/load"
	"github.com/vlab-research/burrow/benchmarks/internal/page"
	"github.com/vlab-research/burrow/benchmarks/internal/parallel"
	"github.com/vlab-research/burrow/benchmarks/internal/results"
)

// runner measures cases.
type runner struct {
	options
	kafka    *broker.Broker
	parallel *parallel.Consumer // nil without Java
	arms     *regexp.Regexp
	topics   map[load.Topic]string // those that are filled
	file     *results.File
	session  int
}

// measure runs the plan and keeps the results as they come.
func measure(ctx context.Context, o options, plan []cases.Case, file *results.File) (err error) {
	began := time.Now()
	r := &runner{options: o, file: file, topics: make(map[load.Topic]string)}
	if r.arms, err = regexp.Compile(o.armName); err != nil {
		return err
	}
	if r.kafka, err = o.connect(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.kafka.Close()) }()
	if err := r.startParallel(ctx, plan); err != nil {
		return err
	}
	if r.parallel != nil {
		defer func() { err = errors.Join(err, r.parallel.Close()) }()
	}
	file.Sessions = append(file.Sessions, r.describe(ctx))
	r.session = len(file.Sessions) - 1
	return r.passes(ctx, plan, began)
}

// passes runs each case once and then, as long as there is time, as often as it should.
// What was measured is saved after each case.
func (r *runner) passes(ctx context.Context, plan []cases.Case, began time.Time) error {
	for _, pass := range []rounds{{0, 1}, {1, r.rounds}} {
		for i, c := range plan {
			if pass.of(c).none() {
				continue
			}
			if r.minutes > 0 && time.Since(began).Minutes() > r.minutes {
				fmt.Printf("\nthe time is up: %d cases have fewer rounds than asked for\n", len(plan)-i)
				return nil
			}
			fmt.Printf("\n%s (%s messages, rounds %d to %d, case %d of %d, %v so far)\n", c.ID(), page.Thousands(float64(c.Load.Messages)),
				pass.from+1, pass.of(c).to, i+1, len(plan), time.Since(began).Round(time.Second))
			if err := r.runCase(ctx, c, pass.of(c)); err != nil {
				return err
			}
			if err := r.drop(ctx, plan[i+1:]); err != nil {
				return err
			}
			r.file.Sessions[r.session].Minutes = time.Since(began).Minutes()
			if err := r.file.Save(r.out); err != nil {
				return err
			}
		}
	}
	return nil
}

// rounds are those from one, counted from 0, to before another.
type rounds struct{ from, to int }

// of returns those that the case has.
func (p rounds) of(c cases.Case) rounds { return rounds{p.from, atMost(p.to, c.Rounds)} }

func (p rounds) none() bool { return p.from >= p.to }

func (o options) connect(ctx context.Context) (*broker.Broker, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	switch {
	case o.fake:
		return broker.Fake(ctx)
	case o.brokers != "":
		return broker.Remote(ctx, strings.Split(o.brokers, ","))
	}
	return broker.Local(ctx)
}

// startParallel prepares the arms in Java if the plan has any and Java is there.
func (r *runner) startParallel(ctx context.Context, plan []cases.Case) (err error) {
	wanted := slices.ContainsFunc(plan, func(c cases.Case) bool {
		return slices.ContainsFunc(c.Arms, func(name string) bool { return arm.All()[name].Java && r.arms.MatchString(name) })
	})
	if !wanted {
		return nil
	}
	for _, tool := range []string{"java", "javac", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Printf("the Parallel Consumer is left out: %v\n", err)
			return nil
		}
	}
	r.parallel, err = parallel.New(ctx)
	return err
}

// runCase runs all arms, in another order each round. Rounds that are cut short don't count.
func (r *runner) runCase(ctx context.Context, c cases.Case, pass rounds) error {
	c.Arms = slices.DeleteFunc(slices.Clone(c.Arms), func(name string) bool {
		return !r.arms.MatchString(name) || arm.All()[name].Java && r.parallel == nil
	})
	if len(c.Arms) == 0 {
		return nil
	}
	var runs []results.Run
	for round := pass.from; round < pass.to; round++ {
		for i := range c.Arms {
			name := c.Arms[(i+round*max(1, len(c.Arms)/max(1, r.rounds)))%len(c.Arms)]
			if arm.All()[name].Java && round >= atMost(r.rounds, c.JavaRounds) {
				continue
			}
			result := r.runArm(ctx, c, name)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			runs = append(runs, results.Run{Case: c.ID(), Arm: name, Round: round + 1, Session: r.session, Result: result})
		}
	}
	if pass.from == 0 {
		r.file.Drop(c.ID())
		r.file.Cases = append(r.file.Cases, c)
	}
	r.file.Runs = append(r.file.Runs, runs...)
	fmt.Print(page.Text(r.file, c))
	return nil
}

// atMost returns n, or less if there is a limit.
func atMost(n, limit int) int {
	if limit > 0 {
		return min(n, limit)
	}
	return n
}

// runArm runs an arm once.
func (r *runner) runArm(ctx context.Context, c cases.Case, name string) arm.Result {
	a := arm.All()[name]
	job := arm.Job{
		Arm: name, Brokers: r.kafka.Addrs(), Group: "bench-" + rand.Text()[:10], Load: c.Load, Work: c.Work,
		Workers: c.Workers, Window: c.Window, Probe: c.Probe, Interval: c.Interval, Limit: c.Limit, WarmUp: c.WarmUp, Ramp: c.Ramp,
	}
	if job.Limit == 0 {
		job.Limit = time.Duration(limits(a) * r.seconds * float64(time.Second))
	}
	job.Ramp = min(job.Ramp, job.Limit/4)
	if r.profiles != "" && !a.Java && a.NeedsKafka() {
		job.Profile = filepath.Join(r.profiles, strings.NewReplacer("/", "-", " ", "-").Replace(c.ID()+"-"+name)+".pprof")
	}
	if !a.NeedsKafka() {
		return r.process(ctx, a, job)
	}
	topic, err := r.topic(ctx, c)
	if err != nil {
		return arm.Result{Error: err.Error()}
	}
	defer topic.close()
	job.Topic = topic.name
	result := r.process(ctx, a, job)
	if result.Error == "" {
		if err := errors.Join(topic.filled(), r.checkCommits(ctx, job, result)); err != nil {
			result.Error = err.Error()
		}
	}
	return result
}

// limits are how many times longer than the ideal an arm may take. One in Java is
// at its speed when it is measured, and would be cut in most cases anyway.
func limits(a arm.Arm) float64 {
	if a.Java {
		return 1.5
	}
	return 3
}

// source is the topic of a run.
type source struct {
	name   string
	filled func() error // waits until all is produced
	close  func()
}

// topic returns the case's topic, full, or one that is being filled meanwhile.
func (r *runner) topic(ctx context.Context, c cases.Case) (source, error) {
	s := source{name: r.topics[c.Load], filled: func() error { return nil }, close: func() {}}
	if s.name != "" {
		return s, nil
	}
	name, err := r.kafka.Create(ctx, c.Load)
	if err != nil {
		return s, err
	}
	s.name = name
	if c.Rate == 0 {
		r.topics[c.Load] = name
		return s, r.kafka.Fill(ctx, name, c.Load, 0)
	}
	filling, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = r.kafka.Fill(filling, name, c.Load, c.Rate)
	}()
	s.filled = func() error {
		<-done
		return err
	}
	s.close = func() {
		cancel()
		<-done
		_ = r.kafka.Delete(ctx, name) // it is small
	}
	return s, nil
}

// drop deletes the topics that no later case needs.
func (r *runner) drop(ctx context.Context, later []cases.Case) error {
	for t, name := range r.topics {
		if slices.ContainsFunc(later, func(c cases.Case) bool { return c.Load == t }) {
			continue
		}
		delete(r.topics, t)
		if err := r.kafka.Delete(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// checkCommits looks whether an arm that handled all committed all.
func (r *runner) checkCommits(ctx context.Context, job arm.Job, result arm.Result) error {
	if job.Arm == arm.Holding || result.Cut {
		return nil
	}
	committed, err := r.kafka.Committed(ctx, job.Group, job.Topic, job.Load.Partitions)
	if err != nil {
		return err
	}
	for i, total := range job.Load.Totals() {
		if job.Work.Counts(i) && committed[i] != total {
			return fmt.Errorf("partition %d is committed to %d of %d", i, committed[i], total)
		}
	}
	return nil
}
