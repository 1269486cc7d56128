package arm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
)

// Spawned does the job in another process of this executable, whose main has to call
// [FromEnvironment] first and print what [Run] returns.
func Spawned(ctx context.Context, job Job) Result {
	self, err := os.Executable()
	if err != nil {
		return Result{Error: err.Error()}
	}
	text, err := json.Marshal(job)
	if err != nil {
		return Result{Error: err.Error()}
	}
	cmd := exec.CommandContext(ctx, self) //nolint:gosec // this very executable
	cmd.Env = append(os.Environ(), Env+"="+string(text))
	return await(cmd)
}

// await runs the command to its end and reads the result that it prints.
func await(cmd *exec.Cmd) Result {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return Result{Error: fmt.Sprintf("%v: %s", err, last(stderr.String()))}
	}
	var result Result
	if err := json.Unmarshal(stdout.Bytes(), &result); err != nil {
		return Result{Error: fmt.Sprintf("%v in %q", err, last(stdout.String()))}
	}
	return result
}

// last returns the end of a text that may be long.
func last(text string) string {
	const most = 2000
	return text[max(0, len(text)-most):]
}
