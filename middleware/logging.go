package middleware

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/vlab-research/burrow/stage"
)

// What [Logging] writes of failures unless [Sample] says otherwise.
const (
	DefaultSampleInterval = time.Second
	DefaultSampleFirst    = 10
	DefaultSampleEvery    = 1000
)

// LoggingOption changes what [Logging] does.
type LoggingOption func(*logging)

// Sample bounds the lines about failures: of each interval the first ones and then
// every so-manieth one is written. A line says in its field "suppressed" how many
// were left out since the line before. With every 0 only the first ones are
// written; an interval of 0 turns sampling off.
func Sample(interval time.Duration, first, every int) LoggingOption {
	return func(l *logging) { l.sampler.interval, l.sampler.first, l.sampler.every = interval, first, every }
}

// Logging writes one line for each message: at Debug if it was processed, skipped
// or released, at Warn if it failed or was dead-lettered. Failures are sampled, see
// [Sample].
//
// The fields are topic, partition, offset, duration and, for failures, error,
// error_type, stage, dead_letter_topic and suppressed. Keys and payloads are never written, and
// errors as [stage.Redacted] gives them.
func Logging(log logrus.FieldLogger, opts ...LoggingOption) stage.Middleware {
	l := &logging{log: log, sampler: sampler{
		interval: DefaultSampleInterval, first: DefaultSampleFirst, every: DefaultSampleEvery,
	}}
	for _, opt := range opts {
		opt(l)
	}
	errs := []error{
		require(log != nil, "the logger is nil"),
		require(l.sampler.interval >= 0 && l.sampler.first >= 0 && l.sampler.every >= 0,
			"Sample: interval %v, first %d and every %d must not be negative", l.sampler.interval, l.sampler.first, l.sampler.every),
	}
	return func(next stage.Stage) stage.Stage {
		return wrap(NameLogging, next, func(ctx context.Context, msg stage.Message) (stage.Message, error) {
			start := time.Now()
			out, err := next.Process(ctx, msg)
			l.tell(outcomeOf(ctx, err), msg, start, err)
			return out, err
		}, errs...)
	}
}

type logging struct {
	log     logrus.FieldLogger
	sampler sampler
}

func (l *logging) tell(how outcome, msg stage.Message, start time.Time, err error) {
	if how == failed || how == deadLettered {
		l.warn(how, msg, start, err)
		return
	}
	if l.debugs() {
		l.log.WithFields(fields(msg, time.Since(start))).Debug("message " + how.words())
	}
}

func (l *logging) warn(how outcome, msg stage.Message, start time.Time, err error) {
	now := time.Now()
	suppressed, ok := l.sampler.admit(now)
	if !ok {
		return
	}
	line := fields(msg, now.Sub(start))
	line["error"], line["error_type"] = stage.Redacted(err), errorType(err)
	if at, ok := errors.AsType[*stage.Error](err); ok {
		line["stage"] = at.Stage
	}
	if stored, ok := errors.AsType[*stage.DeadLetteredError](err); ok {
		line["dead_letter_topic"] = stored.Topic
	}
	if suppressed > 0 {
		line["suppressed"] = suppressed
	}
	l.log.WithFields(line).Warn("message " + how.words())
}

func (o outcome) words() string {
	switch o {
	case done:
		return "processed"
	case deadLettered:
		return "dead-lettered"
	default:
		return string(o)
	}
}

func fields(msg stage.Message, took time.Duration) logrus.Fields {
	p := msg.Position()
	return logrus.Fields{"topic": p.Topic, "partition": p.Partition, "offset": p.Offset, "duration": took}
}

// debugs says whether Debug lines are wanted, to spare making them.
func (l *logging) debugs() bool {
	switch log := l.log.(type) {
	case *logrus.Logger:
		return log.IsLevelEnabled(logrus.DebugLevel)
	case *logrus.Entry:
		return log.Logger.IsLevelEnabled(logrus.DebugLevel)
	}
	return true
}

// sampler bounds lines in each interval. Its lock is held for a few additions only.
type sampler struct {
	interval     time.Duration
	first, every int

	mu         sync.Mutex
	start      time.Time
	seen       int
	suppressed int
}

// admit says whether a line is to be written and how many were left out before it.
func (s *sampler) admit(now time.Time) (suppressed int, ok bool) {
	if s.interval == 0 {
		return 0, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.start) >= s.interval {
		s.start, s.seen = now, 0
	}
	s.seen++
	if s.seen > s.first && (s.every == 0 || (s.seen-s.first)%s.every != 0) {
		s.suppressed++
		return 0, false
	}
	suppressed, s.suppressed = s.suppressed, 0
	return suppressed, true
}
