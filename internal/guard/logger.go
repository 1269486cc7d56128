// Package guard keeps what a user's logger does from ending the process.
package guard

import (
	"io"

	"github.com/sirupsen/logrus"
)

// Logger returns a logger whose lines go to log, and that survives when that
// panics: a logger must not end the process, nor a message's work. What is lost is the line.
func Logger(log logrus.FieldLogger) logrus.FieldLogger {
	outer := logrus.New()
	outer.SetOutput(io.Discard)
	outer.SetFormatter(unwritten{})
	outer.SetLevel(logrus.TraceLevel)
	outer.AddHook(handOver{log})
	return outer
}

// unwritten formats nothing.
type unwritten struct{}

// Format implements [logrus.Formatter].
func (unwritten) Format(*logrus.Entry) ([]byte, error) { return nil, nil }

// handOver gives each line to the user's logger.
type handOver struct{ to logrus.FieldLogger }

// Levels implements [logrus.Hook].
func (handOver) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements [logrus.Hook].
func (h handOver) Fire(line *logrus.Entry) error {
	defer func() { _ = recover() }()
	h.to.WithFields(line.Data).WithTime(line.Time).Log(line.Level, line.Message)
	return nil
}
