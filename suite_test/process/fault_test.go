//go:build unix

package process_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Each kill is at a moment drawn; the next worker goes on from the commit.
func TestKilledProcessesLoseNothing(t *testing.T) {
	t.Parallel()
	const partitions, each, kills = 4, 500, 3
	g := newGround(t, partitions)
	g.fill(t, partitions, each, 0)
	r := rand.New(rand.NewPCG(1, 2))
	bound := 0
	for kill := range kills {
		before, _ := g.ended(t)
		w := g.start(t)
		eventually(t, "some work of this worker", func() bool { n, _ := g.ended(t); return n > before })
		<-time.After(time.Duration(r.IntN(200)) * time.Millisecond)
		w.signal(syscall.SIGKILL)
		if code := w.end(t); code != -1 {
			t.Errorf("kill %d: exit code %d", kill, code)
		}
		ended, _ := g.ended(t)
		bound += ended - int(g.wantNoLoss(t, partitions)) // what was done and not committed
	}
	w := g.start(t)
	eventually(t, "all messages", func() bool { n, _ := g.ended(t); return n == partitions*each })
	w.signal(syscall.SIGTERM)
	if code := w.end(t); code != exitClean {
		t.Errorf("exit code %d", code)
	}
	if committed := g.wantNoLoss(t, partitions); committed != partitions*each {
		t.Errorf("committed %d of %d", committed, partitions*each)
	}
	if _, repeats := g.ended(t); repeats > bound {
		t.Errorf("%d messages repeated, %d had been done and not committed at the kills", repeats, bound)
	} else {
		t.Logf("%d kills: 0 lost, %d repeated of at most %d", kills, repeats, bound)
	}
}

func TestTheFirstSIGTERMDrainsAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	const partitions, each = 2, 400
	g := newGround(t, partitions)
	g.fill(t, partitions, each, 0)
	for done := 0; done < partitions*each; {
		w := g.start(t, envWork+"=10")
		eventually(t, "some work", func() bool { n, _ := g.ended(t); return n > done+50 || n == partitions*each })
		w.signal(syscall.SIGTERM)
		if code := w.end(t); code != exitClean {
			t.Fatalf("exit code %d", code)
		}
		done, _ = g.ended(t)
		if committed := g.wantNoLoss(t, partitions); committed != int64(done) {
			t.Errorf("committed %d, %d are done", committed, done)
		}
	}
	if _, repeats := g.ended(t); repeats != 0 {
		t.Errorf("%d messages repeated", repeats)
	}
}

// The message that takes a minute would hold the drain for its whole timeout. Nothing but the
// drain commits so early.
func TestASecondSIGTERMCutsTheDrainShortAndStillCommitsThePrefix(t *testing.T) {
	t.Parallel()
	const each, slow = 100, 60
	g := newGround(t, 1)
	g.fill(t, 1, each, 0)
	w := g.start(t, fmt.Sprint(envSlow, "=", slow), envCommit+"=60000")
	eventually(t, "all but the slow one", func() bool { n, _ := g.ended(t); return n == each-1 })
	w.signal(syscall.SIGTERM)
	w.says(t, "draining")
	select {
	case <-w.done:
		t.Error("the first signal didn't wait for the slow message")
	case <-time.After(time.Second):
	}
	began := time.Now()
	w.signal(syscall.SIGTERM)
	if code := w.end(t); code != exitCut {
		t.Errorf("exit code %d, want %d", code, exitCut)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v to end after the second signal", took)
	}
	if committed := g.wantNoLoss(t, 1); committed != slow {
		t.Errorf("committed %d, want %d: the prefix", committed, slow)
	}
}

// A process that stands still for longer than its session is a zombie when it goes on.
func TestAStoppedProcessIsFencedWhenItGoesOn(t *testing.T) {
	t.Parallel()
	const partitions, each = 2, 600
	g := newGround(t, partitions)
	g.fill(t, partitions, each, 0)
	zombie := g.start(t, envWork+"=20")
	eventually(t, "some work", func() bool { n, _ := g.ended(t); return n > 50 })
	zombie.signal(syscall.SIGSTOP)
	<-time.After(2 * session)
	heir := g.start(t, envWork+"=2")
	eventually(t, "all messages, by another member", func() bool { n, _ := g.ended(t); return n == partitions*each })
	eventually(t, "their commits", func() bool { return g.wantNoLoss(t, partitions) == partitions*each })
	_, before := g.ended(t)
	zombie.signal(syscall.SIGCONT)
	g.fill(t, partitions, each, 0)
	eventually(t, "more messages", func() bool { n, _ := g.ended(t); return n == 2*partitions*each })
	for _, w := range []*worker{zombie, heir} {
		w.signal(syscall.SIGTERM)
		if code := w.end(t); code != exitClean {
			t.Errorf("exit code %d", code)
		}
	}
	if committed := g.wantNoLoss(t, partitions); committed != 2*partitions*each {
		t.Errorf("committed %d of %d", committed, 2*partitions*each)
	}
	// What it had in flight when it was stopped, and what it had not committed.
	_, after := g.ended(t)
	uncommitted := func(work time.Duration) int { return 8 + int(commitInterval/work)*8 }
	if bound := uncommitted(20 * time.Millisecond); before > bound {
		t.Errorf("%d messages repeated, want at most %d", before, bound)
	}
	// When it comes back, what it still ran; and its heir's, should that hear too late of the rebalance.
	if bound := 8 + uncommitted(2*time.Millisecond); after-before > bound {
		t.Errorf("%d messages repeated when it came back, want at most %d", after-before, bound)
	}
	t.Logf("0 lost, %d repeated when the session ended, %d in all", before, after)
}

// The topic is larger than the limit, and slow work lets it all pile up.
func TestMemoryIsBoundedWhateverTheTopicHolds(t *testing.T) {
	t.Parallel()
	const size, each, limit = 100_000, 3000, 100 << 20
	g := newGround(t, 1)
	for range 10 {
		g.fill(t, 1, each/10, size)
	}
	w := g.start(t, envWork+"=10", envWindow+"="+strconv.Itoa(8<<20), "GOMEMLIMIT="+strconv.Itoa(limit))
	most := 0
	eventually(t, "all messages", func() bool {
		most = max(most, w.resident(t))
		n, _ := g.ended(t)
		return n == each
	})
	w.signal(syscall.SIGTERM)
	if code := w.end(t); code != exitClean {
		t.Errorf("exit code %d", code)
	}
	if most > limit || most == 0 {
		t.Errorf("the worker had up to %d bytes resident, its soft limit is %d and the topic holds %d", most, limit, size*each)
	}
	t.Logf("at most %d MB resident, a limit of %d MB, a topic of %d MB", most>>20, limit>>20, size*each>>20)
}

// resident returns the bytes that the process has in memory at most so far; Linux tells.
func (w *worker) resident(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.cmd.Process.Pid))
	if err != nil {
		t.Skip("only Linux tells how much memory a process has")
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err != nil {
				t.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	return 0
}
