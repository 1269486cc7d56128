package kafka

import (
	"errors"
	"io"
	"time"

	"github.com/IBM/sarama"
	"github.com/sirupsen/logrus"

	"github.com/vlab-research/burrow/internal/guard"
)

// Defaults of the options.
const (
	// DefaultClientID is how burrow's connections show in a broker's logs and quotas.
	DefaultClientID = "burrow"
	// DefaultStartTimeout bounds how long NewProducer, and Run until it has reached
	// the brokers, may take.
	DefaultStartTimeout = 15 * time.Second
	// DefaultCommitTimeout bounds one commit request.
	DefaultCommitTimeout = 5 * time.Second
)

// Option changes a default of [NewSource] or [NewProducer]. Options that don't
// concern one of them have no effect there.
type Option func(*settings)

type settings struct {
	log           logrus.FieldLogger
	sarama        []func(*sarama.Config)
	newest        bool
	startTimeout  time.Duration
	commitTimeout time.Duration
	mistakes      []error
}

func newSettings(opts []Option) *settings {
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	s := &settings{log: quiet, startTimeout: DefaultStartTimeout, commitTimeout: DefaultCommitTimeout}
	for _, opt := range opts {
		if opt == nil {
			s.mistake("kafka: an Option is nil: leave it out")
			continue
		}
		opt(s)
	}
	return s
}

func (s *settings) mistake(text string) { s.mistakes = append(s.mistakes, errors.New(text)) }

// WithLogger sets where trouble is told that the code survives, such as lost
// brokers and skipped offsets. The default discards. One that panics costs its lines. For sarama's own lines see [LogSarama].
func WithLogger(log logrus.FieldLogger) Option {
	return func(s *settings) {
		if log == nil {
			s.mistake("kafka: WithLogger got nil: leave it out to discard the log")
			return
		}
		s.log = guard.Logger(log)
	}
}

// WithSarama changes sarama's configuration, for TLS, SASL, timeouts, balance
// strategies and everything else it offers. It runs last, over burrow's defaults;
// several run in their order. What burrow depends on is then set again: no
// auto-commit, errors returned, and for a producer results returned.
//
// A stateful strategy (sticky, cooperative-sticky) must be a new value for each
// source, so make it inside the function.
func WithSarama(configure func(*sarama.Config)) Option {
	return func(s *settings) {
		if configure == nil {
			s.mistake("kafka: WithSarama got nil: leave it out")
			return
		}
		s.sarama = append(s.sarama, configure)
	}
}

// WithStartNewest starts partitions for which the group has no commit at their
// end, so the messages before are never read. The default is the oldest message.
func WithStartNewest() Option { return func(s *settings) { s.newest = true } }

// WithStartTimeout bounds how long NewProducer, and Run until it has reached the
// brokers, may take; the default is [DefaultStartTimeout]. Brokers that refuse the
// connection are given up sooner, after sarama's Metadata.Retry.
func WithStartTimeout(d time.Duration) Option {
	return func(s *settings) {
		if d <= 0 {
			s.mistake("kafka: WithStartTimeout must be above 0")
			return
		}
		s.startTimeout = d
	}
}

// WithCommitTimeout bounds one commit request, whatever its context allows; the
// default is [DefaultCommitTimeout]. A commit that takes longer fails, its
// connection is cut, and it may be tried again.
func WithCommitTimeout(d time.Duration) Option {
	return func(s *settings) {
		if d <= 0 {
			s.mistake("kafka: WithCommitTimeout must be above 0")
			return
		}
		s.commitTimeout = d
	}
}
