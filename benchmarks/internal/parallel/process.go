package parallel

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"sync"

	"github.com/vlab-research/burrow/benchmarks/internal/arm"
)

// process is a JVM that does one job after the other.
type process struct {
	cmd     *exec.Cmd
	jobs    io.WriteCloser
	answers *bufio.Reader
	stderr  tail
}

func start(classpath string) (*process, error) {
	p := &process{cmd: exec.Command("java", "-cp", classpath, "Main")} //nolint:gosec,noctx // a program of this package; it lasts for many jobs
	p.cmd.Stderr = &p.stderr
	var err error
	if p.jobs, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	answers, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.answers = bufio.NewReader(answers)
	return p, p.cmd.Start()
}

// run does one job; after an error the process is of no use.
func (p *process) run(ctx context.Context, job string) (arm.Result, error) {
	var result arm.Result
	stop := context.AfterFunc(ctx, func() { _ = p.cmd.Process.Kill() })
	defer stop()
	if _, err := io.WriteString(p.jobs, job); err != nil {
		return result, fmt.Errorf("%w: %s", err, p.stderr.String())
	}
	text, err := p.answers.ReadBytes('\n')
	if ctx.Err() != nil {
		return result, context.Cause(ctx)
	}
	if err != nil {
		return result, fmt.Errorf("%w: %s", err, p.stderr.String())
	}
	return result, json.Unmarshal(text, &result)
}

// close ends the process by the end of its input, or by force where it doesn't look.
func (p *process) close() {
	_ = p.jobs.Close()
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // killed
}

// tail keeps the end of a text that may be long.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(text []byte) (int, error) {
	const most = 2000
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, text...)
	t.text = t.text[max(0, len(t.text)-most):]
	return len(text), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
