package offsets_test

import (
	"testing"
	"time"

	"github.com/vlab-research/burrow/offsets"
)

// FuzzTrackerAgreesWithTheOracle reads the limits from the first three bytes, and
// from each pair behind them one call with its argument.
func FuzzTrackerAgreesWithTheOracle(f *testing.F) {
	const longest = 200
	strategies := []offsets.CommitStrategy{
		offsets.Ordered{}, offsets.BestEffort{}, offsets.SkipFailures{}, offsets.SkipFailures{After: time.Minute},
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) < 3 || len(program) > longest {
			t.Skip("no program, or one so long that it only slows the search down")
		}
		limits := offsets.Limits{Messages: int(program[0] % 32), Bytes: int64(program[1]), Batch: int(program[2] / 4 % 16)}
		w := newTwin(-1, limits, strategies[program[2]%4])
		for program = program[3:]; len(program) > 1; program = program[2:] {
			w.call(t, program[0], int(program[1]))
			w.check(t)
		}
	})
}

// call does what one pair of bytes says.
func (w *twin) call(t *testing.T, what byte, arg int) {
	w.now = w.now.Add(time.Duration(what>>4) * 10 * time.Second)
	newest := len(w.tickets) - 1
	switch what % 16 {
	case 0, 1, 2, 3:
		w.admit(t, w.model.delivered()+1, arg)
	case 4:
		w.admit(t, w.model.delivered()+int64(arg%9), arg)
	case 5, 6, 7, 8:
		if newest >= 0 {
			w.settle(t, newest-arg%len(w.tickets), offsets.Resolved, 0)
		}
	case 9:
		if newest >= 0 {
			w.settle(t, newest-arg%len(w.tickets), offsets.Failed, arg)
		}
	case 10:
		if newest >= 0 {
			w.retry(t, newest-arg%len(w.tickets))
		}
	case 11, 12:
		if offset, ok := w.snapshot(t); ok && arg%2 == 0 {
			w.ack(t, offset)
		}
	case 13:
		if n := len(w.snapped); n > 0 {
			w.ack(t, w.snapped[arg%n])
		}
	case 14:
		w.ack(t, w.model.committed+int64(arg%16)-4)
	case 15:
		if arg > 250 {
			w.close()
		}
	}
}
