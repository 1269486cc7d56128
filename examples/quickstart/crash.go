package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"time"

	"github.com/vlab-research/burrow"
)

// jobVariable gives a child its job.
const jobVariable = "BURROW_QUICKSTART_JOB"

// crash is what was known when the consumer was killed.
type crash struct {
	atRisk int // by its last Stats: delivered and not committed
}

// consumeAndCrash lets a child consume, kills it half-way and lets another one
// finish. This process keeps the broker and looks on.
func consumeAndCrash(ctx context.Context, j job, f *follower) (*crash, error) {
	fmt.Printf("a first process with %d workers starts\n", j.Workers)
	first, err := startChild(ctx, j)
	if err != nil {
		return nil, err
	}
	if err := f.follow(ctx, first.ended, f.halfWay); err != nil {
		return nil, errors.Join(err, first.stop())
	}
	if err := first.kill(); err != nil {
		return nil, err
	}
	fmt.Printf("kill -9; a second process starts, the group gives up on the first after %v\n", j.Session)
	second, err := startChild(ctx, j)
	if err != nil {
		return nil, err
	}
	if err := f.follow(ctx, second.ended, f.finished); err != nil {
		return nil, errors.Join(err, second.stop())
	}
	return &crash{atRisk: int(first.atRisk.Load())}, second.stop()
}

// child is a consumer in a process of its own. It ends when its standard input does.
type child struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	atRisk atomic.Int64
	ended  chan struct{}
	err    error // how it ended; read it after ended
}

func startChild(ctx context.Context, j job) (*child, error) {
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), self) //nolint:gosec // it is this program
	c := &child{cmd: cmd, ended: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), jobVariable+"="+string(text))
	c.cmd.Stderr = os.Stderr
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(c.ended)
		c.listen(stdout)
		c.err = c.cmd.Wait()
	}()
	return c, nil
}

// listen keeps the last number that the child wrote.
func (c *child) listen(stdout io.Reader) {
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		var n int64
		if _, err := fmt.Sscan(lines.Text(), &n); err == nil {
			c.atRisk.Store(n)
		}
	}
}

// kill is kill -9: the child can do nothing about it.
func (c *child) kill() error {
	err := c.cmd.Process.Kill()
	<-c.ended
	return err
}

// stop lets the child drain and end.
func (c *child) stop() error {
	err := c.stdin.Close()
	<-c.ended
	return errors.Join(err, c.err)
}

// consumeAsChild is main in the child.
func consumeAsChild(ctx context.Context, text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return fmt.Errorf("%s: %w", jobVariable, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return consume(ctx, j, func(p *burrow.Pipeline) { go tellRisk(ctx, p) })
}

// tellRisk writes what a crash would repeat, a hundred times a second.
func tellRisk(ctx context.Context, p *burrow.Pipeline) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for ctx.Err() == nil {
		<-ticker.C
		atRisk := 0
		for _, partition := range p.Stats().Partitions {
			atRisk += partition.Repeats
		}
		fmt.Println(atRisk)
	}
}
