package worker

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/vlab-research/burrow/chaos/internal/ledger"
)

// skips writes down what the library logs about messages that it could not read.
type skips struct{ ledger *ledger.Writer }

func (*skips) Levels() []logrus.Level { return []logrus.Level{logrus.ErrorLevel} }

func (s *skips) Fire(e *logrus.Entry) error {
	skipped, ok1 := e.Data["skipped"].(int64)
	oldest, ok2 := e.Data["oldest"].(int64)
	partition, ok3 := e.Data["partition"].(int32)
	if ok1 && ok2 && ok3 {
		s.ledger.Write(ledger.Line{Kind: ledger.Skipped, Partition: partition, Offset: oldest, Attempt: int32(skipped)}) //nolint:gosec // a run has fewer messages
	}
	return nil
}

const (
	stallTick = 100 * time.Millisecond
	stall     = 500 * time.Millisecond
)

// watchStalls writes down when the process did not get to run.
func watchStalls(ctx context.Context, book *ledger.Writer) {
	ticker := time.NewTicker(stallTick)
	defer ticker.Stop()
	for before := ledger.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := ledger.Now()
		if d := time.Duration(now - before); d >= stall {
			book.Write(ledger.Line{Kind: ledger.Stalled, Offset: int64(d)})
		}
		before = now
	}
}
