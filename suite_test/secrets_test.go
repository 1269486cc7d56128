package suite_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

// secret stands in keys, values and headers.
const secret = "hunter2"

var _ = Describe("Payloads and keys are never logged", func() {
	onEach("whatever fails: decoding, validation, the work, a panic", func(w *world) {
		for _, bad := range []string{"decode", "validate", "panic", "handle"} {
			topic := w.topic(1)
			w.produce(topic, 0, stage.New([]byte(secret), []byte(fmt.Sprintf("%q", secret+" "+bad))))
			var log lines
			r := w.start(topic, func(b burrow.Builder) burrow.Builder {
				return b.WithLogger(log.logger()).
					Use(middleware.Logging(log.logger()), middleware.Retry(retry.Linear{}, 2), middleware.Recover()).
					Stage(stage.Decode(func(value []byte) (string, error) {
						var text string
						if strings.Contains(string(value), "decode") {
							return "", fmt.Errorf("cannot decode %s", value)
						}
						return text, json.Unmarshal(value, &text)
					})).
					Stage(stage.Validate(func(text string) error {
						if strings.Contains(text, "validate") {
							return fmt.Errorf("%s isn't valid", text)
						}
						return nil
					})).
					Stage(stage.Handle(func(_ context.Context, text string) error {
						if strings.Contains(text, "panic") {
							panic("cannot work on " + text)
						}
						return errWork
					}))
			})
			Expect(r.wait()).To(MatchError(burrow.ThresholdExceeded))
			Expect(log.text()).To(ContainSubstring("failed"), bad)
			Expect(log.text()).NotTo(ContainSubstring(secret), bad)
		}
	})
})

// lines keeps what is logged.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) logger() logrus.FieldLogger {
	log := logrus.New()
	log.SetOutput(l)
	log.SetLevel(logrus.TraceLevel)
	return log
}
