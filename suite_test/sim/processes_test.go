package sim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// spawn plays seeds in processes of their own, one for each processor, and ends all when one
// of them fails.
func (c *campaign) spawn(t *testing.T, seeds int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dir, processes := t.TempDir(), runtime.NumCPU()
	var wg sync.WaitGroup
	for i := range processes {
		wg.Go(func() {
			file := filepath.Join(dir, strconv.Itoa(i))
			part, err := c.process(ctx, file, i+1, processes, seeds)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				t.Error(err)
				if *goOn {
					return
				}
				cancel()
				return
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.merge(part)
		})
	}
	wg.Wait()
}

// process plays every step-th seed in a process of its own.
func (c *campaign) process(ctx context.Context, file string, first, step int, seeds int64) (*campaign, error) {
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestSimulationKeepsEveryPromise$", "-test.timeout=0",
		fmt.Sprintf("-sim.seeds=%d", seeds), fmt.Sprintf("-sim.hang=%v", *hangAfter),
		fmt.Sprintf("-sim.all=%t", *goOn), fmt.Sprintf("-sim.share=%d,%d,%s", first, step, file))
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	alive, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = alive.Close() }() // closed already by Wait
	if out, err := cmd.CombinedOutput(); err != nil {
		at, _ := os.ReadFile(file + ".seed") // without it, the process ended before
		return nil, fmt.Errorf("%w in or before %s -sim.seed=%s\n\t%s", err, howToReplay, at, brief(out))
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	part := newCampaign()
	return part, json.Unmarshal(text, part)
}

// brief leaves away what of an output is too long.
func brief(out []byte) string {
	const most = 8000
	if len(out) > most {
		out = out[:most]
	}
	return string(out)
}

// endWithParent ends this process when the one that started it is gone.
func endWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin) // it ends, whatever the reason
	os.Exit(1)
}

// playShare is what such a process does.
func playShare(t *testing.T, share string) {
	t.Helper()
	go endWithParent()
	parts := strings.SplitN(share, ",", 3)
	first, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	step, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	file, c := parts[2], newCampaign()
	for seed := first; seed <= *seedCount && (*goOn || !t.Failed()); seed += step {
		if err := os.WriteFile(file+".seed", strconv.AppendInt(nil, seed, 10), 0o600); err != nil {
			t.Fatal(err)
		}
		c.add(seed, play(t, seed))
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
