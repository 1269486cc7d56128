// Command gotest is go test with bubbles that replay, see package deterministic.
//
//	go run ./internal/deterministic/gotest ./suite_test/sim -sim.seed=17
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/vlab-research/burrow/internal/deterministic"
)

func main() {
	err := test(context.Background(), os.Args[1:])
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func test(ctx context.Context, args []string) error {
	replaced, err := deterministic.Installed(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "burrow-overlay-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary file
	overlay := filepath.Join(dir, "overlay.json")
	if err := deterministic.WriteOverlay(overlay, replaced); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-overlay", overlay, "-tags", deterministic.Tag}, args...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
