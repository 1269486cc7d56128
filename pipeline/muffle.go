package pipeline

import (
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/time/rate"
)

// What is logged of single messages, when many meet the same fate.
const (
	muffleEvery = 100 * time.Millisecond
	muffleBurst = 20
)

// muffler keeps ten thousand failures a second from being ten thousand log lines.
// A line says in its field "suppressed" how many were left out before it.
type muffler struct {
	limiter    *rate.Limiter
	suppressed atomic.Int64
}

func newMuffler() *muffler {
	return &muffler{limiter: rate.NewLimiter(rate.Every(muffleEvery), muffleBurst)}
}

// line returns where to write about a message, nil if nothing is to be written.
func (m *muffler) line(log logrus.FieldLogger) logrus.FieldLogger {
	if !m.limiter.Allow() {
		m.suppressed.Add(1)
		return nil
	}
	if n := m.suppressed.Swap(0); n > 0 {
		return log.WithField("suppressed", n)
	}
	return log
}
