package guard_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"github.com/vlab-research/burrow/internal/guard"
)

type panicking struct{}

func (panicking) Levels() []logrus.Level   { return logrus.AllLevels }
func (panicking) Fire(*logrus.Entry) error { panic("no space left on device") }

func TestALineThatPanicsIsLostAndNothingElse(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	inner := logrus.New()
	inner.SetOutput(io.Discard)
	inner.AddHook(panicking{})
	log := guard.Logger(inner)
	log.WithField("topic", "orders").Error("lost")
	inner.ReplaceHooks(make(logrus.LevelHooks))
	inner.SetOutput(&out)
	log.WithField("topic", "orders").Error("told")
	log.Debug("below the level")
	if text := out.String(); !strings.Contains(text, "level=error msg=told topic=orders") || strings.Count(text, "\n") != 1 {
		t.Errorf("the log says %q", text)
	}
}
