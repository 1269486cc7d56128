//go:build unix

// Package process_test does to processes what only processes suffer: kill -9, SIGTERM
// once and twice, SIGSTOP and SIGCONT, a limit on memory. The test's own binary is the
// process, run again; it consumes from a broker in the test's process and writes a ledger that is
// judged from outside. Package chaos does the same on real brokers.
package process_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/vlab-research/burrow/internal/kafkatest"
)

func TestMain(m *testing.M) {
	if os.Getenv(envWorker) != "" {
		os.Exit(work())
	}
	goleak.VerifyTestMain(kafkatest.Main(m))
}

const (
	// patience is how long a test waits for what must come.
	patience = 30 * time.Second
	// session is the group's session timeout, and beat its heartbeat.
	session, beat = time.Second, 100 * time.Millisecond
	// commitInterval is the workers'.
	commitInterval = 100 * time.Millisecond
)

// ground is a topic, a group, and the ledger of its workers.
type ground struct {
	*kafkatest.Broker
	topic, group, ledger string
}

func newGround(t *testing.T, partitions int) *ground {
	t.Helper()
	b := kafkatest.Fakes(t)
	return &ground{
		Broker: b, topic: b.CreateTopic(t, "orders", partitions), group: kafkatest.Unique("workers"),
		ledger: filepath.Join(t.TempDir(), "ledger"),
	}
}

func (g *ground) fill(t *testing.T, partitions, each, size int) {
	t.Helper()
	var records []*kgo.Record
	for i := range each * partitions {
		value := make([]byte, max(size, 8))
		copy(value, strconv.Itoa(i))
		for j := 8; j < len(value); j += 8 { // hardly compressible
			x := uint64(i*len(value)+j) * 0x9e3779b97f4a7c15
			x ^= x >> 31
			for k := range min(8, len(value)-j) {
				value[j+k] = byte(x >> (8 * k))
			}
		}
		records = append(records, &kgo.Record{Partition: int32(i % partitions), Value: value})
	}
	g.Produce(t, g.topic, records...)
}

// worker is a process at work.
type worker struct {
	cmd    *exec.Cmd
	output *strings.Builder
	said   chan string // its lines on the standard output
	done   chan struct{}
}

// start runs a worker with more settings, as "NAME=value".
func (g *ground) start(t *testing.T, settings ...string) *worker {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w := &worker{cmd: exec.Command(self), output: new(strings.Builder), said: make(chan string, 10_000), done: make(chan struct{})}
	w.cmd.Env = append(os.Environ(), envWorker+"="+strings.Join(g.Addrs(), ","), envTopic+"="+g.topic, envGroup+"="+g.group, envLedger+"="+g.ledger)
	w.cmd.Env = append(w.cmd.Env, settings...)
	w.cmd.Stderr = w.output
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(w.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			w.said <- lines.Text()
		}
		_ = w.cmd.Wait()
	}()
	t.Cleanup(func() {
		w.signal(syscall.SIGKILL)
		<-w.done
		if t.Failed() {
			t.Logf("a worker said:\n%s", w.output)
		}
	})
	return w
}

func (w *worker) signal(s syscall.Signal) { _ = w.cmd.Process.Signal(s) }

// end waits for the worker's end and returns its exit code; −1 if a signal ended it.
func (w *worker) end(t *testing.T) int {
	t.Helper()
	select {
	case <-w.done:
		return w.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatal("the worker doesn't end")
		return 0
	}
}

// says waits for a line of the worker.
func (w *worker) says(t *testing.T, want string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case line := <-w.said:
			if strings.Contains(line, want) {
				return
			}
		case <-timeout:
			t.Fatalf("the worker doesn't say %q", want)
		}
	}
}

// pass is one message's way through a handler.
type pass struct{ started, ended int }

// read returns what the ledger says: how often each message started and ended, by "partition offset".
func (g *ground) read(t *testing.T) map[string]pass {
	t.Helper()
	text, err := os.ReadFile(g.ledger)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	found := make(map[string]pass)
	for line := range strings.Lines(string(text)) {
		what, message, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		p := found[message]
		switch what {
		case "start":
			p.started++
		case "end":
			p.ended++
		}
		found[message] = p
	}
	return found
}

func (g *ground) ended(t *testing.T) (n, repeats int) {
	t.Helper()
	for _, p := range g.read(t) {
		if p.ended > 0 {
			n++
			repeats += p.ended - 1
		}
	}
	return n, repeats
}

// wantNoLoss checks that everything before each commit has ended.
func (g *ground) wantNoLoss(t *testing.T, partitions int) (committed int64) {
	t.Helper()
	ledger, commits := g.read(t), g.Committed(t, g.group)[g.topic]
	for p := range int32(partitions) {
		committed += commits[p]
		for offset := range commits[p] {
			if ledger[fmt.Sprint(p, " ", offset)].ended == 0 {
				t.Errorf("LOST: %d/%d is committed past, and never ended", p, offset)
			}
		}
	}
	return committed
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// ledgerFile is where a worker writes what it starts and ends.
type ledgerFile struct {
	mu   sync.Mutex
	file *os.File
}

func openLedger(path string) (*ledgerFile, error) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	return &ledgerFile{file: file}, err
}

// line writes at once, so that a kill takes nothing of it.
func (l *ledgerFile) line(what string, partition int32, offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = fmt.Fprintf(l.file, "%s %d %d\n", what, partition, offset)
}

func setting(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}
