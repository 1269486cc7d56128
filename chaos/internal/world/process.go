package world

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vlab-research/burrow/chaos/internal/ledger"
	"github.com/vlab-research/burrow/chaos/internal/worker"
)

// process is one incarnation of a worker.
type process struct {
	number  int
	name    string // of a static member
	cmd     *exec.Cmd
	logFile string
	book    *ledger.Reader
	lines   []ledger.Line // read and not judged

	asked  atomic.Bool // to end, or killed
	joined atomic.Bool // it has had an assignment
	frozen atomic.Bool
	killed atomic.Bool
	rival  atomic.Bool // another process has its name
	done   chan struct{}
	err    error // read it after done
}

// startProcess starts this program again as a worker.
func startProcess(dir string, number int, job worker.Job) (*process, error) {
	job.Ledger = filepath.Join(dir, fmt.Sprintf("%03d.ledger", number))
	setting, err := job.Environment()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{
		number: number, book: ledger.NewReader(job.Ledger), logFile: filepath.Join(dir, fmt.Sprintf("%03d.log", number)),
		done: make(chan struct{}),
	}
	log, err := os.Create(p.logFile)
	if err != nil {
		return nil, err
	}
	defer log.Close()          //nolint:errcheck // the process has its own handle
	p.cmd = exec.Command(self) //nolint:gosec,noctx // it is this program; it ends by a signal
	p.cmd.Env = append(os.Environ(), setting)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	return p, p.start()
}

// start starts the process on a thread that lives as long as it does: Linux ends a
// child with its parent when the thread that made it ends.
func (p *process) start() error {
	endWithParent(p.cmd)
	started := make(chan error)
	go func() {
		defer close(p.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
		}
	}()
	return <-started
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) } // fails only if it has ended

func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// ends waits for the process's own end.
func (p *process) ends(within time.Duration) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		return false
	}
}

func (p *process) kill() {
	p.asked.Store(true)
	p.killed.Store(true)
	p.signal(syscall.SIGKILL)
	<-p.done
}

// exit is how a process ended that was asked to.
type exit struct {
	took   time.Duration
	waited time.Duration // of it, in which some process of the machine waited for a CPU
}

// terminate asks the process to end and returns how long that took. One that
// hangs says where it stands, and is killed.
func (p *process) terminate(limit time.Duration) (exit, error) {
	p.asked.Store(true)
	began, before := time.Now(), waiting()
	p.signal(syscall.SIGTERM)
	ended := p.ends(limit)
	e := exit{time.Since(began), waiting() - before}
	if !ended {
		p.signal(syscall.SIGQUIT)
		if !p.ends(2 * time.Second) {
			p.kill()
		}
		return e, fmt.Errorf("process %d hung for %v after SIGTERM: see %s", p.number, limit, p.logFile)
	}
	if p.err != nil {
		return e, fmt.Errorf("process %d ended with %w: %s", p.number, p.err, p.lastWords())
	}
	return e, nil
}

// lastWords is the last line of the process's log.
func (p *process) lastWords() string {
	text, err := os.ReadFile(p.logFile)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}
