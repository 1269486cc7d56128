// Benchmarks runs burrow and its peers side by side on the same messages and writes
// docs/benchmarks.md.
//
//	go run .                        everything, half an hour on two cores
//	go run . -short                 the main cases, about four minutes
//	go run . -sets noop,waiting     some of it
//	go run . -render                the page again, without measuring
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"

	"github.com/vlab-research/burrow/benchmarks/internal/arm"
	"github.com/vlab-research/burrow/benchmarks/internal/cases"
	"github.com/vlab-research/burrow/benchmarks/internal/page"
	"github.com/vlab-research/burrow/benchmarks/internal/results"
)

func main() {
	job, is, err := arm.FromEnvironment()
	switch {
	case err != nil:
	case is:
		err = json.NewEncoder(os.Stdout).Encode(arm.Run(job))
	default:
		err = start()
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	short, fake, render, list bool
	sets, caseName, armName   string
	rounds                    int
	seconds, minutes          float64
	brokers                   string
	out, page                 string
	profiles                  string
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("benchmarks", flag.ContinueOnError)
	f.BoolVar(&o.short, "short", false, "the main cases, once each")
	f.StringVar(&o.sets, "sets", "", "only these sets of cases, as noop,waiting; -list names all")
	f.StringVar(&o.caseName, "cases", "", "only cases whose set/name this regular expression finds")
	f.StringVar(&o.armName, "arms", "", "only arms that this regular expression finds")
	f.IntVar(&o.rounds, "rounds", 0, "how often each arm runs; 3 by default, 1 with -short")
	f.Float64Var(&o.seconds, "seconds", 0, "about how long one run takes at the ideal rate; 2 by default, 1 with -short")
	f.Float64Var(&o.minutes, "minutes", 30, "start nothing more after that many; each case runs once before any runs again; 0 for no limit")
	f.StringVar(&o.brokers, "brokers", "", "a cluster, as host:port,...; by default a Kafka is started on this machine")
	f.BoolVar(&o.fake, "fake", false, "use an embedded fake of Kafka instead")
	f.StringVar(&o.out, "out", "results.json", "where results are kept; those of other cases stay")
	f.StringVar(&o.page, "page", "../docs/benchmarks.md", "the page to write, with a plot beside it; empty for none")
	f.BoolVar(&o.render, "render", false, "write the page from what is kept, without measuring")
	f.BoolVar(&o.list, "list", false, "list the cases and end")
	f.StringVar(&o.profiles, "profiles", "", "a folder for CPU profiles of the Go arms")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.rounds == 0 {
		o.rounds = choose(o.short, 1, 3)
	}
	if o.seconds == 0 {
		o.seconds = choose(o.short, 1.0, 2.0)
	}
	return o, nil
}

func choose[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}

// plan returns the cases that the options ask for.
func (o options) plan() ([]cases.Case, error) {
	name, err := regexp.Compile(o.caseName)
	if err != nil {
		return nil, err
	}
	p := cases.Plan{Short: o.short, Seconds: o.seconds, Match: func(c cases.Case) bool { return name.MatchString(c.ID()) }}
	if o.sets != "" {
		p.Sets = strings.Split(o.sets, ",")
	}
	return cases.List(p)
}

func start() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse(os.Args[1:])
	if err != nil {
		return err
	}
	plan, err := o.plan()
	if err != nil {
		return err
	}
	file, err := results.Load(o.out)
	if err != nil {
		return err
	}
	switch {
	case o.list:
		for _, c := range plan {
			fmt.Printf("%s: %s; %s\n", c.ID(), c.Load, strings.Join(c.Arms, ", "))
		}
		return nil
	case !o.render:
		err = measure(ctx, o, plan, &file)
	}
	if o.page == "" || len(file.Runs) == 0 && err != nil {
		return err
	}
	return errors.Join(err, page.Write(o.page, file)) // also of what was measured until an error
}
