package main

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/vlab-research/burrow/benchmarks/internal/arm"
	"github.com/vlab-research/burrow/benchmarks/internal/parallel"
	"github.com/vlab-research/burrow/benchmarks/internal/results"
)

// patience is how long a process may take beside its work.
const patience = 2 * time.Minute

// process runs the job in a process of its own.
func (r *runner) process(ctx context.Context, a arm.Arm, job arm.Job) arm.Result {
	ctx, cancel := context.WithTimeout(ctx, job.Limit+job.WarmUp+patience)
	defer cancel()
	if a.Java {
		return r.parallel.Run(ctx, job)
	}
	return arm.Spawned(ctx, job)
}

// describe says where and of what this is measured.
func (r *runner) describe(ctx context.Context) results.Session {
	s := results.Session{
		Date: time.Now().UTC().Format("2006-01-02 15:04 MST"), Command: "go run . " + strings.Join(choices(os.Args[1:]), " "),
		Commit:  output(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12"),
		Machine: machine(), OS: strings.TrimSpace(output(ctx, "uname", "-sr")), Go: runtime.Version(), Broker: r.kafka.Name(),
		Modules: modules(), Rounds: r.rounds, SecondsPerRun: r.seconds,
	}
	if r.parallel != nil {
		s.Java, s.Parallel = firstLine(output(ctx, "java", "-version")), parallel.Version
	}
	return s
}

// choices are the arguments without those that only say where to write.
func choices(args []string) (kept []string) {
	for i := 0; i < len(args); i++ {
		switch strings.TrimLeft(args[i], "-") {
		case "out", "page", "profiles":
			i++
		default:
			kept = append(kept, args[i])
		}
	}
	return kept
}

func output(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput() //nolint:gosec // the callers name git, uname and java
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
