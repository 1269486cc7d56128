package kafka_test

import (
	"io"
	"sync/atomic"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/vlab-research/burrow/source/kafka"
)

// broken is a hook that panics at each line.
type broken struct{ lines atomic.Int64 }

func (*broken) Levels() []logrus.Level { return logrus.AllLevels }

func (b *broken) Fire(*logrus.Entry) error {
	b.lines.Add(1)
	panic("the disk of the log is full")
}

func (b *broken) logger() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	log.SetLevel(logrus.TraceLevel)
	log.AddHook(b)
	return log
}

// A line is told on the goroutine of a claim, whose panic nobody would catch.
func TestALoggerThatPanicsCostsItsLinesAndNothingElse(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	fill(t, c.ListenAddrs(), "orders", 0, 0, 10)
	commitAndLeave(t, newSource(t, c.ListenAddrs(), "orders"), 3)
	if err := c.DeleteRecords("orders", 0, 7); err != nil { // which is to be told
		t.Fatal(err)
	}
	b, after := new(broken), newEngine()
	run(t, newSource(t, c.ListenAddrs(), "orders", kafka.WithLogger(b.logger())), after)
	if claim := next(t, after.claims, "the claim"); claim.Start() != 7 {
		t.Errorf("restarted at %d, want 7", claim.Start())
	}
	if b.lines.Load() == 0 {
		t.Error("nothing was to be told")
	}
}
