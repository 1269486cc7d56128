package pipeline

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/stage"
)

func TestManyFailuresAreFewLogLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, lines := logtest.NewNullLogger()
		src := newFakeSource(10_000)
		p, stop := start(t, src, Config{
			Ordering: Unordered, MaxConsecutive: 1 << 30, Strategy: offsets.SkipFailures{After: time.Millisecond}, Logger: log, CommitInterval: time.Second,
		}, func(context.Context, stage.Message) (stage.Message, error) { return nil, errBoom })
		time.Sleep(time.Minute)
		if s := p.Stats(); s.Failed != 10_000 || s.Passed != 10_000 {
			t.Fatalf("%+v", s)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		told := 0
		for _, line := range lines.AllEntries() {
			if line.Level <= logrus.WarnLevel {
				told++
			}
			if n, ok := line.Data["count"].(int); ok && line.Level == logrus.ErrorLevel {
				told--
				if n == 0 {
					t.Error("no count of what was committed past")
				}
			}
		}
		if told == 0 || told > 2*muffleBurst {
			t.Errorf("%d lines for 10 000 failures", told)
		}
	})
}
