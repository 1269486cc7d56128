// Behaviour writes docs/behaviour.md from the specs in suite_test, or with -check
// says whether it is stale. It asks Ginkgo for the specs without running them.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"

	"github.com/onsi/ginkgo/v2/types"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("behaviour", flag.ContinueOnError)
	suite := flags.String("suite", "./suite_test", "the package of the specs")
	out := flags.String("out", "docs/behaviour.md", "the file to write")
	check := flags.Bool("check", false, "fail if the file isn't what would be written, and write nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	reports, err := dryRun(ctx, *suite)
	if err != nil {
		return err
	}
	text, err := document(reports)
	if err != nil {
		return err
	}
	if *check {
		return compare(*out, text)
	}
	if err := os.WriteFile(*out, []byte(text), 0o644); err != nil { //nolint:gosec // a document that all may read
		return fmt.Errorf("behaviour: %w", err)
	}
	return nil
}

// dryRun returns Ginkgo's report of the suite's specs.
func dryRun(ctx context.Context, suite string) ([]types.Report, error) {
	dir, err := os.MkdirTemp("", "behaviour-")
	if err != nil {
		return nil, fmt.Errorf("behaviour: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	file := filepath.Join(dir, "report.json")
	cmd := exec.CommandContext(ctx, "go", "test", suite, "-count=1", //nolint:gosec // the suite is the developer's
		"-ginkgo.dry-run", "-ginkgo.seed=1", "-ginkgo.json-report="+file)
	cmd.Env = append(os.Environ(), "BURROW_TEST_KAFKA=") // the specs are the same wherever they run
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("behaviour: list the specs of %s: %w\n%s", suite, err, out)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("behaviour: %s wrote no report, does it call RunSpecs? %w", suite, err)
	}
	var reports []types.Report
	if err := json.Unmarshal(content, &reports); err != nil {
		return nil, fmt.Errorf("behaviour: %w", err)
	}
	return reports, nil
}

func compare(file, want string) error {
	got, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("behaviour: %w; run task docs:behaviour", err)
	}
	if string(got) != want {
		return fmt.Errorf("behaviour: %s is stale, run task docs:behaviour", file)
	}
	return nil
}
