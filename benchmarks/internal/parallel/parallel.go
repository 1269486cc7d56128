// Package parallel runs Confluent's Parallel Consumer, where Java is present.
package parallel

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/vlab-research/burrow/benchmarks/internal/arm"
	"github.com/vlab-research/burrow/benchmarks/internal/load"
)

// Version is the version of the library.
const Version = "0.5.3.3"

//go:embed pom.xml
var pom []byte

//go:embed Main.java
var source []byte

// Consumer is a compiled program that can run any number of jobs, in a process for
// each ordering, so that what a job needs is compiled once.
type Consumer struct {
	dir       string // of the compiled class
	jars      string
	processes map[string]*process // by ordering
}

// New fetches the library with Maven, if it isn't in the cache, and compiles the program.
func New(ctx context.Context) (*Consumer, error) {
	jars, err := fetch(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "burrow-parallel-")
	if err != nil {
		return nil, err
	}
	c := &Consumer{dir: dir, jars: jars, processes: make(map[string]*process)}
	file := filepath.Join(dir, "Main.java")
	if err := os.WriteFile(file, source, 0o600); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if err := run(ctx, "javac", "-cp", filepath.Join(jars, "*"), "-d", dir, file); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Close ends the processes and removes the compiled program.
func (c *Consumer) Close() error {
	for _, p := range c.processes {
		p.close()
	}
	return os.RemoveAll(c.dir)
}

// fetch returns the folder of the jars.
func fetch(ctx context.Context) (string, error) {
	cache := os.Getenv("BURROW_CACHE")
	if cache == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		cache = filepath.Join(base, "burrow")
	}
	dir := filepath.Join(cache, "parallel-consumer-"+Version)
	if _, err := os.Stat(dir); err == nil { //nolint:gosec // the user says where the cache is
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o750); err != nil { //nolint:gosec // as above
		return "", err
	}
	tmp, err := os.MkdirTemp(cache, "parallel-consumer-tmp-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // what stays is never used
	file := filepath.Join(tmp, "pom.xml")
	if err := os.WriteFile(file, pom, 0o600); err != nil { //nolint:gosec // as above
		return "", err
	}
	if err := run(ctx, "mvn", "-B", "-q", "-f", file, "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+tmp); err != nil {
		return "", err
	}
	return dir, os.Rename(tmp, dir) //nolint:gosec // as above
}

func run(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil { //nolint:gosec // the callers name javac and mvn
		return fmt.Errorf("%s: %w\n%s", name, err, bytes.TrimSpace(out))
	}
	return nil
}

// Run does a job in the process of its ordering.
func (c *Consumer) Run(ctx context.Context, j arm.Job) arm.Result {
	name := ordering(j.Arm)
	p := c.processes[name]
	if p == nil {
		var err error
		if p, err = start(c.dir + string(os.PathListSeparator) + filepath.Join(c.jars, "*")); err != nil {
			return arm.Result{Error: err.Error()}
		}
		c.processes[name] = p
	}
	result, err := p.run(ctx, line(j, name))
	if err != nil {
		p.close() // the next job gets another one
		delete(c.processes, name)
		return arm.Result{Error: err.Error()}
	}
	return result
}

// line is a job as the program reads it.
func line(j arm.Job, ordering string) string {
	var words []string
	set := func(name string, value any) { words = append(words, fmt.Sprintf("%s=%v", name, value)) }
	set("brokers", strings.Join(j.Brokers, ","))
	set("topic", j.Topic)
	set("group", j.Group)
	set("ordering", ordering)
	set("workers", j.Workers)
	set("fetch", arm.FetchBytes)
	set("limit", (j.Limit + j.Ramp).Nanoseconds())
	set("warmup", j.WarmUp.Nanoseconds())
	set("ramp", j.Ramp.Nanoseconds())
	set("sleep", j.Work.Sleep.Nanoseconds())
	set("slow", j.Work.Slow.Nanoseconds())
	set("random", j.Work.Random)
	set("skipfirst", j.Work.SkipFirst)
	set("totals", strings.Trim(strings.ReplaceAll(fmt.Sprint(j.Load.Totals()), " ", ","), "[]"))
	return strings.Join(words, " ") + "\n"
}

func ordering(name string) string {
	switch arm.All()[name].Lanes {
	case load.KeyLanes:
		return "KEY"
	case load.PartitionLanes:
		return "PARTITION"
	case load.NoLanes, load.HeaviestKey:
	}
	return "UNORDERED"
}
