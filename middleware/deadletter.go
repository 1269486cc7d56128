package middleware

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

const (
	// DefaultDeadLettersInARow is how many messages in a row [DeadLetter] takes.
	DefaultDeadLettersInARow = 100
	// DefaultPublishAttempts is how often [DeadLetter] tries to publish one message.
	DefaultPublishAttempts = 5
)

// ErrDeadLetterFlood says that a message failed and was not dead-lettered, because
// as many before it were as [DeadLettersInARow] allows. So many failures in a row are
// an outage rather than bad messages.
var ErrDeadLetterFlood = errors.New("middleware: too many dead letters in a row")

// Publisher stores messages in a topic. It returns nil once the broker has
// acknowledged the message, and is safe for concurrent use.
type Publisher interface {
	Publish(ctx context.Context, topic string, key, value []byte, headers stage.Headers) error
}

// DeadLetterOption changes what [DeadLetter] does.
type DeadLetterOption func(*deadLetter)

// DeadLettersInARow sets how many messages are dead-lettered without a success
// between them; those after them fail with [ErrDeadLetterFlood], until one succeeds. It
// counts over all stages wrapped by one middleware value. The default is
// [DefaultDeadLettersInARow]; 0 sets no limit.
func DeadLettersInARow(n int) DeadLetterOption { return func(d *deadLetter) { d.inARow = n } }

// PublishRetry sets when and how often, in all, a message is published that the
// broker doesn't acknowledge. The waits park the message. The default is a jittered
// [retry.Exponential] and [DefaultPublishAttempts].
func PublishRetry(strategy retry.BackoffStrategy, attempts int) DeadLetterOption {
	return func(d *deadLetter) { d.strategy, d.attempts = strategy, attempts }
}

// DeadLetter publishes failed messages to a topic: key, value and headers as
// they came into this middleware, and headers that say what happened, which
// [ParseDeadLetter] reads. Put it outside of [Retry].
//
// Once the publisher has acknowledged the message it returns a
// [*stage.DeadLetteredError], so the message is resolved. If publishing fails, the
// message has failed: the error joins the failure and the publisher's error.
// [stage.Skip], [stage.ErrReleased] and any error after ctx has ended pass through.
func DeadLetter(pub Publisher, topic string, opts ...DeadLetterOption) stage.Middleware {
	missing := require(topic != "", "the topic is empty; name the dead-letter topic")
	return newDeadLetter(pub, func(error) string { return topic }, missing, opts)
}

// DeadLetterBy is [DeadLetter] with a topic for each error. For "" the message
// is not dead-lettered: it has failed with that error. The function is called on
// many goroutines at once.
func DeadLetterBy(pub Publisher, topicFunc func(error) string, opts ...DeadLetterOption) stage.Middleware {
	missing := require(topicFunc != nil, "the function that gives the topic is nil")
	return newDeadLetter(pub, topicFunc, missing, opts)
}

func newDeadLetter(pub Publisher, topicFunc func(error) string, missing error, opts []DeadLetterOption) stage.Middleware {
	d := &deadLetter{
		pub: pub, topicFunc: topicFunc, inARow: DefaultDeadLettersInARow,
		limits: limits{strategy: retry.Jittered{}, attempts: DefaultPublishAttempts, isRetryable: retry.IsRetryable, waitFunc: untilPublish},
	}
	for _, opt := range opts {
		opt(d)
	}
	errs := []error{
		missing,
		require(pub != nil, "the publisher is nil"),
		require(d.inARow >= 0, "DeadLettersInARow is %d; give 0 for no limit", d.inARow),
		require(d.attempts > 0, "PublishRetry: attempts is %d; give at least 1", d.attempts),
		retry.Validate(d.strategy),
	}
	return func(next stage.Stage) stage.Stage {
		return wrap(NameDeadLetter, next, func(ctx context.Context, msg stage.Message) (stage.Message, error) {
			return d.process(ctx, next, msg)
		}, errs...)
	}
}

type deadLetter struct {
	limits
	pub       Publisher
	topicFunc func(error) string
	inARow    int
	row       atomic.Int64
}

func (d *deadLetter) process(ctx context.Context, next stage.Stage, msg stage.Message) (stage.Message, error) {
	out, err := next.Process(ctx, msg)
	if err == nil {
		if d.row.Load() != 0 {
			d.row.Store(0)
		}
		return out, nil
	}
	if isControl(err) || ctx.Err() != nil {
		return out, err
	}
	topic := d.topicFunc(err)
	if topic == "" {
		return nil, err
	}
	if row := d.row.Add(1); d.inARow > 0 && row > int64(d.inARow) {
		return nil, fmt.Errorf("%w (%d): %w", ErrDeadLetterFlood, d.inARow, err)
	}
	if publishErr := d.publish(ctx, topic, msg, err); publishErr != nil {
		return nil, errors.Join(err, fmt.Errorf("middleware: publish the dead letter to %s: %w", topic, publishErr))
	}
	return nil, &stage.DeadLetteredError{Topic: topic, Err: err}
}

func (d *deadLetter) publish(ctx context.Context, topic string, msg stage.Message, cause error) error {
	headers := letterHeaders(msg, cause, time.Now())
	publish := func() error {
		err := d.pub.Publish(ctx, topic, msg.Key(), msg.Value(), headers)
		if errors.Is(err, stage.Skip) { // it would resolve a message that is stored nowhere
			return errors.New(err.Error())
		}
		return err
	}
	err := publish()
	if err == nil {
		return nil
	}
	return d.again(ctx, err, publish)
}

// untilPublish is not counted as a retry of the message's work.
func untilPublish(ctx context.Context, d time.Duration, _ int, err error) error {
	return stage.Parking{For: d, Reason: "deadletter", Cause: err}.Wait(ctx)
}
