package hostile_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/internal/kafkatest"
	"github.com/vlab-research/burrow/internal/kraft"
	"github.com/vlab-research/burrow/source/kafka"
	"github.com/vlab-research/burrow/stage"
)

const (
	diskSize      = "size=32m,mode=0700"
	pageSize      = 4096 // a record of that size needs new space on the disk, wherever the log ends
	fullN         = 500
	fullAt        = 100 // what is processed before the disk is full
	fullWindow    = 50
	fullReadyTime = 2 * time.Minute
)

// disk is a small one that a broker's logs are on, and nothing else.
type disk string

// newDisk mounts a disk, or skips the test where only root may.
func newDisk(t *testing.T) disk {
	t.Helper()
	kafkatest.NeedOwn(t)
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, diskSize)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		t.Skipf("needs a small disk of its own, and mounting a tmpfs needs root: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return disk(dir)
}

func (d disk) filler() string { return filepath.Join(string(d), "filler") }

// fill takes all the space that is left.
func (d disk) fill(t *testing.T) {
	t.Helper()
	f, err := os.Create(d.filler())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // what was written counts
	for err == nil {
		_, err = f.Write(make([]byte, 16*pageSize))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

func (d disk) free(t *testing.T) {
	t.Helper()
	if err := os.Remove(d.filler()); err != nil {
		t.Fatal(err)
	}
}

// crammed is a ground on a Kafka whose disk is about to be full, while a pipeline has
// processed some of its messages and holds the others.
type crammed struct {
	*ground
	disk       disk
	kafka      *kraft.Cluster
	dead       string
	out        counted
	full, gone chan struct{} // closed when the disk is full, and when the broker has ended
}

func newCrammed(t *testing.T) *crammed {
	t.Helper()
	d := newDisk(t)
	cluster := kafkatest.Own(t, kraft.Options{Properties: map[string]string{
		"log.dirs":         string(d),
		"metadata.log.dir": t.TempDir(), // so that the write that fails is one of ours
	}})
	c := &crammed{ground: newGround(t, kafkatest.On(t, cluster), 1), disk: d, kafka: cluster, full: make(chan struct{}), gone: make(chan struct{})}
	c.dead = c.CreateTopic(t, "dead", 1)
	c.out = c.publisher(t)
	records := make([]*kgo.Record, fullN)
	for i := range records {
		records[i] = &kgo.Record{Value: bytes.Repeat([]byte{byte(i)}, pageSize)}
	}
	c.Produce(t, c.topic, records...)
	return c
}

// hold makes messages wait: what becomes a letter until the disk is full, which ends the broker, and the
// others until it has ended, so that none of them can be committed in time.
func (c *crammed) hold(ctx context.Context, m stage.Message) (stage.Message, error) {
	if m.Position().Offset < fullAt {
		return m, nil
	}
	until := c.gone
	if _, err := poison(ctx, m); err != nil {
		until = c.full
	}
	select {
	case <-until:
		return m, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// forgetful lets the group forget a member soon that couldn't say that it leaves.
var forgetful = kafka.WithSarama(func(c *sarama.Config) { c.Consumer.Group.Session.Timeout = 6 * time.Second })

func (c *crammed) begin(t *testing.T) *run {
	t.Helper()
	return c.start(t, func(b burrow.Builder) burrow.Builder {
		return lettered(c.out, c.dead, 100_000)(b.WithMaxInFlight(fullWindow).WithWorkers(fullWindow).Stage(stage.Func(c.hold)))
	}, forgetful)
}

// cram fills the disk under a pipeline at work, and looks at what it does when the
// broker has gone.
func (c *crammed) cram(t *testing.T, r *run) {
	t.Helper()
	c.committed(t, 0, fullAt)
	c.disk.fill(t)
	close(c.full)
	eventually(t, "the broker ends", func() bool { return !c.listens(t) })
	if log, err := os.ReadFile(c.kafka.LogFile(0)); err != nil || !bytes.Contains(log, []byte("No space left on device")) {
		t.Errorf("the broker ended for another reason than its disk: %v\n%s", err, log)
	}
	close(c.gone)
	eventually(t, "a commit is refused", func() bool { return r.Stats().CommitFailures > 0 })
	eventually(t, "Health says it", func() bool { return r.Health() != nil })
	began, tries := time.Now(), len(c.out.tries)
	eventually(t, "a second goes by", func() bool { return time.Since(began) > time.Second })
	if perSecond := float64(len(c.out.tries)-tries) / time.Since(began).Seconds() / (fullWindow / 10); perSecond > 6 {
		t.Errorf("%.1f tries a second for each letter, a wait of 200 ms between them", perSecond)
	}
	s := r.Stats()
	t.Logf("disk full: health %v; %d processed, %d dead-lettered, %d commits refused", r.Health(), s.Processed, s.DeadLettered, s.CommitFailures)
	if s.DeadLettered != fullAt/10 || s.Received > fullAt+fullWindow {
		t.Errorf("%d dead-lettered of the %d that there was a place for, %d received with a commit of %d and a window of %d",
			s.DeadLettered, fullAt/10, s.Received, fullAt, fullWindow)
	}
	for _, p := range s.Partitions {
		if p.Committed >= fullAt {
			t.Errorf("%d counts as committed, though nothing from %d on could be", p.Committed, fullAt)
		}
	}
}

func (c *crammed) listens(t *testing.T) bool {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", c.kafka.Addrs()[0])
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

// relieve makes room and starts the broker on what it has stored.
func (c *crammed) relieve(t *testing.T) {
	t.Helper()
	c.disk.free(t)
	ctx, cancel := context.WithTimeout(t.Context(), fullReadyTime)
	defer cancel()
	if err := c.kafka.Restart(ctx, 0); err != nil {
		t.Fatal(err)
	}
}

// complete waits until all is committed, and looks whether all of it was done.
func (c *crammed) complete(t *testing.T, r *run) {
	t.Helper()
	c.committed(t, 0, fullN)
	eventually(t, "Health", func() bool { return r.Health() == nil })
	r.stop(t)
	if letters := c.letters(t, c.dead, fullN/10); len(letters) != fullN/10 {
		t.Errorf("%d letters", len(letters))
	}
	processed, repeated := c.counts()
	if processed != fullN*9/10 || repeated > fullWindow {
		t.Errorf("%d messages processed of %d, %d more than once with a window of %d", processed, fullN*9/10, repeated, fullWindow)
	}
	t.Logf("in the end: %d processed, %d of them more than once", processed, repeated)
}

// A Kafka whose only disk is full ends itself. What it took no more is neither stored nor
// committed, and goes on when there is room.
func TestAFullDiskOfTheBrokerHoldsTheCommitUntilThereIsRoom(t *testing.T) {
	t.Parallel()
	c := newCrammed(t)
	r := c.begin(t)
	c.cram(t, r)
	c.relieve(t)
	c.complete(t, r)
}

// A pipeline that is stopped meanwhile claims nothing that the disk doesn't hold.
func TestAPipelineStoppedOnAFullDiskLeavesNothingCountedThatIsNotStored(t *testing.T) {
	t.Parallel()
	c := newCrammed(t)
	r := c.begin(t)
	c.cram(t, r)
	r.cancel()
	err := r.wait(t)
	t.Logf("Run: %v", err)
	c.relieve(t)
	if next := c.next(t, 0); next != fullAt || err == nil {
		t.Errorf("committed %d and Run said %v, want %d and that the last commit failed", next, err, fullAt)
	}
	if end := c.EndOffsets(t, c.dead)[0]; end != fullAt/10 || r.Stats().DeadLettered != end {
		t.Errorf("%d letters are stored and %d counted, want %d", end, r.Stats().DeadLettered, fullAt/10)
	}
	c.complete(t, c.begin(t))
}
