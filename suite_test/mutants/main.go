// Command mutants puts deliberate bugs into the project, one at a time, and looks whether the
// simulation finds them.
//
//	go run ./suite_test/mutants [name …]
//
// Each patch in its folder is applied to copies of the files that it names, which the compiler takes
// instead of them. For each it prints the bug, the seed that found it and which promise broke.
// It fails if a bug survives, or if a patch no longer applies.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/vlab-research/burrow/internal/deterministic"
)

const (
	seeds    = 1000
	deadline = 10 * time.Minute // for one mutant
)

func main() {
	flag.Parse()
	survived, err := run(flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
	}
	if err != nil || survived > 0 {
		os.Exit(1)
	}
}

// run tries every mutant, or those named, and returns how many survived.
func run(names []string) (survived int, err error) {
	root, err := moduleRoot()
	if err != nil {
		return 0, err
	}
	runtime, err := deterministic.Installed(context.Background())
	if err != nil {
		return 0, err
	}
	patches, err := filepath.Glob(filepath.Join(root, "suite_test", "mutants", "*.patch"))
	if err != nil {
		return 0, err
	}
	tried, began := 0, time.Now()
	for _, patch := range patches {
		name := strings.TrimSuffix(filepath.Base(patch), ".patch")
		if len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		found, err := try(root, patch, runtime)
		if err != nil {
			return survived, fmt.Errorf("%s: %w", name, err)
		}
		if found.seed == "" {
			survived++
			found.promise = "SURVIVED"
		}
		fmt.Printf("%-34s seed %4s  %s\n", name, found.seed, found.promise)
		tried++
	}
	fmt.Printf("%d mutants, %d survived %d seeds, in %v\n", tried, survived, seeds, time.Since(began).Round(time.Second))
	if tried == 0 || tried < len(names) {
		return survived, fmt.Errorf("there are %d patches of the %d asked for", tried, len(names))
	}
	return survived, nil
}

func moduleRoot() (string, error) {
	out, err := exec.CommandContext(context.Background(), "go", "list", "-m", "-f", "{{.Dir}}").Output()
	return strings.TrimSpace(string(out)), err
}

// finding is which seed found a bug, by which promise.
type finding struct{ seed, promise string }

// try makes a mutant and plays seeds with it.
func try(root, patch string, runtime map[string]string) (finding, error) {
	dir, err := os.MkdirTemp("", "burrow-mutant-")
	if err != nil {
		return finding{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary copy
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	replaced, err := mutate(ctx, root, dir, patch)
	if err != nil {
		return finding{}, err
	}
	maps.Copy(replaced, runtime)
	overlay, program := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "sim")
	if err := deterministic.WriteOverlay(overlay, replaced); err != nil {
		return finding{}, err
	}
	if out, err := inDir(ctx, root, "go", "test", "-c", "-o", program, "-overlay", overlay, "-tags", deterministic.Tag, "./suite_test/sim"); err != nil {
		return finding{}, fmt.Errorf("the mutant doesn't compile: %s", out)
	}
	// Without the seeds that are known to find something: what was found before must not help.
	out, err := inDir(ctx, dir, program, "-test.run=^TestSimulation", "-sim.known=false", fmt.Sprintf("-sim.seeds=%d", seeds), "-sim.hang=15s")
	if err == nil {
		return finding{}, nil
	}
	return read(out)
}

var patched = regexp.MustCompile(`(?m)^\+\+\+ b/(\S+)`)

// mutate applies a patch to copies of its files, and returns which stands for which.
func mutate(ctx context.Context, root, dir, patch string) (map[string]string, error) {
	text, err := os.ReadFile(patch)
	if err != nil {
		return nil, err
	}
	replaced := make(map[string]string)
	for _, match := range patched.FindAllStringSubmatch(string(text), -1) {
		from, to := filepath.Join(root, match[1]), filepath.Join(dir, match[1])
		original, err := os.ReadFile(from)
		if err != nil {
			return nil, err
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
			return nil, err
		}
		if err := os.WriteFile(to, original, 0o600); err != nil {
			return nil, err
		}
		replaced[from] = to
	}
	if len(replaced) == 0 {
		return nil, errors.New("the patch names no file")
	}
	if out, err := inDir(ctx, dir, "git", "apply", patch); err != nil {
		return nil, fmt.Errorf("the patch doesn't apply: %s", out)
	}
	return replaced, nil
}

func inDir(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

var (
	broken = regexp.MustCompile(`sim_test\.go:.*-sim\.seed=(\d+)\n\s*(.*)`)
	died   = regexp.MustCompile(`in or before .*-sim\.seed=(\d+)`)
	hangs  = regexp.MustCompile(`the simulation hangs: .*-sim\.seed=(\d+)`)
)

// read finds the first failure in the output of the simulation.
func read(out string) (finding, error) {
	if at := hangs.FindStringSubmatch(out); at != nil {
		return finding{at[1], "T: the simulation hangs"}, nil
	}
	if at := broken.FindStringSubmatch(out); at != nil {
		return finding{at[1], shorten(at[2])}, nil
	}
	if at := strings.Index(out, "panic: "); at >= 0 { // on a goroutine of the engine
		seed := "?"
		if in := died.FindStringSubmatch(out); in != nil {
			seed = in[1]
		}
		return finding{seed, "the process dies: " + shorten(strings.SplitN(out[at:], "\n", 2)[0])}, nil
	}
	return finding{}, fmt.Errorf("no seed in the output: %s", shorten(out))
}

func shorten(text string) string {
	if len(text) > 120 {
		return text[:120] + "…"
	}
	return text
}
