package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"

	"github.com/vlab-research/burrow/stage"
)

// PublishError says that the cluster didn't take a record.
type PublishError struct {
	Topic string
	// Err is the broker's answer, or the connection's error after sarama's retries.
	Err error
}

// Error returns the topic and what to do about it, where that is known.
func (e *PublishError) Error() string {
	switch {
	case e.Err == sarama.ErrProducerFenced: //nolint:errorlint // sarama gives this one no text
		return fmt.Sprintf("kafka: publishing to %q: the broker fenced this producer: make a new one", e.Topic)
	case errors.Is(e.Err, sarama.ErrUnknownTopicOrPartition):
		return fmt.Sprintf("kafka: publishing to %q: the topic doesn't exist: create it first", e.Topic)
	default:
		return fmt.Sprintf("kafka: publishing to %q: %v", e.Topic, e.Err)
	}
}

// Unwrap returns the cause.
func (e *PublishError) Unwrap() error { return e.Err }

// unpublishable are answers that the same record or producer gets again.
var unpublishable = []error{
	sarama.ErrMessageSizeTooLarge, sarama.ErrMessageSetSizeTooLarge, sarama.ErrInvalidMessageSize, sarama.ErrInvalidRecord,
	sarama.ErrInvalidTimestamp, sarama.ErrInvalidRequiredAcks, sarama.ErrProducerFenced, sarama.ErrTransactionalIDAuthorizationFailed,
}

// Retryable returns whether another try may help; package retry looks for it.
func (e *PublishError) Retryable() bool {
	return !isFinal(e.Err) && !isOneOf(e.Err, unpublishable)
}

func publishError(topic string, err error) error {
	if err == nil {
		return nil
	}
	return &PublishError{Topic: topic, Err: err}
}

// Produce returns a stage that publishes each message's key, value and headers to
// topic and gives the message on unchanged, after the broker acknowledged it. A
// message that is delivered again is published again.
func Produce(p *Producer, topic string) stage.Stage {
	return stage.Func(func(ctx context.Context, msg stage.Message) (stage.Message, error) {
		if err := p.Publish(ctx, topic, msg.Key(), msg.Value(), msg.Headers()); err != nil {
			return nil, err
		}
		return msg, nil
	})
}
