package kafka

import (
	"github.com/IBM/sarama"
	"github.com/sirupsen/logrus"

	"github.com/vlab-research/burrow/internal/guard"
)

// LogSarama sends sarama's own log lines to log, at Debug. They tell of
// connections, metadata and rebalances, not of messages or credentials.
//
// Sarama has one logger for the whole process and reads it without a lock. That
// is why no option does this: call it once, before the first source, producer or
// sarama client of the program is made. By default sarama logs nothing.
func LogSarama(log logrus.FieldLogger) {
	sarama.Logger = debugLines{guard.Logger(log)}
}

type debugLines struct{ log logrus.FieldLogger }

func (d debugLines) Print(v ...any)                 { d.log.Debug(v...) }
func (d debugLines) Printf(format string, v ...any) { d.log.Debugf(trimmed(format), v...) }
func (d debugLines) Println(v ...any)               { d.log.Debugln(v...) }

func trimmed(format string) string {
	for len(format) > 0 && format[len(format)-1] == '\n' {
		format = format[:len(format)-1]
	}
	return format
}
