// Package deterministic makes the goroutines of a [testing/synctest] bubble replay: with its overlay,
// what is left to chance in a bubble (which goroutine runs next, which case a select takes, in what order
// timers of one instant fire, how a map hashes) comes from a seed that the test sets.
// It patches copies of a few files of the installed Go and hands them to the compiler by -overlay.
//
// The process must run with GOMAXPROCS=1, and without garbage collection inside a bubble.
package deterministic

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Tag is the build tag of code that needs the overlay.
const Tag = "deterministic"

// Installed is [Overlay] for the Go that is installed.
func Installed(ctx context.Context) (map[string]string, error) {
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("deterministic: go env GOROOT: %w", err)
	}
	return Overlay(strings.TrimSpace(string(goroot)))
}

// Overlay returns which file of GOROOT is replaced by which, after writing the latter. Their place
// depends on their text, so that the build cache serves the next call.
func Overlay(goroot string) (map[string]string, error) {
	texts := make(map[string]string)
	sum := sha256.New()
	for _, p := range patches {
		path := filepath.Join(goroot, "src", filepath.FromSlash(p.file))
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		texts[path], err = p.apply(string(text))
		if err != nil {
			return nil, err
		}
		_, _ = sum.Write([]byte(texts[path])) // never fails
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(cache, "burrow", fmt.Sprintf("deterministic-%x", sum.Sum(nil)[:8]))
	replaced := make(map[string]string)
	for path, text := range texts {
		rel, err := filepath.Rel(goroot, path)
		if err != nil {
			return nil, err
		}
		replaced[path] = filepath.Join(dir, rel)
		if err := write(replaced[path], text); err != nil {
			return nil, err
		}
	}
	return replaced, nil
}

// WriteOverlay writes the file that -overlay takes.
func WriteOverlay(path string, replaced map[string]string) error {
	text, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return err
	}
	return write(path, string(text))
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

func (p patch) apply(text string) (string, error) {
	for _, r := range p.replaces {
		if n := strings.Count(text, r.old); n != 1 {
			return "", fmt.Errorf("deterministic: %s is there %d times and not once in %s of %s: the patches need a look at this version of Go",
				strings.TrimSpace(r.old), n, p.file, runtime.Version())
		}
		text = strings.Replace(text, r.old, r.with, 1)
	}
	return text + p.appends, nil
}
