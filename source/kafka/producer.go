package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/IBM/sarama"

	"github.com/vlab-research/burrow/stage"
)

// ErrProducerClosed is returned by Publish after Close was called.
var ErrProducerClosed = errors.New("kafka: the producer is closed")

// Producer publishes records to topics. Make it with [NewProducer] and close it
// after what uses it has stopped. It is safe for concurrent use.
type Producer struct {
	brokers []string
	link    *link
	async   sarama.AsyncProducer

	sending crew          // Publish calls that hand over their record
	results crew          // readers of sarama's answers
	closing chan struct{} // closed by Close
	once    sync.Once
	closed  chan struct{} // closed when sarama has ended
}

// NewProducer returns a producer whose records are acknowledged by all in-sync
// replicas and stored once in spite of retries (idempotent). Records of one key go
// to one partition, by sarama's FNV-1a hash; records without a key to a random
// one. Concurrent calls of Publish share requests.
//
// It reaches the brokers before it returns, and returns an error that names them
// when that fails within the start timeout. Mistakes in the arguments and in
// sarama's configuration are returned together.
func NewProducer(brokers []string, opts ...Option) (*Producer, error) {
	s := newSettings(opts)
	mistakes := slices.Concat(checkBrokers(brokers), s.mistakes)
	config, err := s.producerConfig()
	if err != nil {
		mistakes = append(mistakes, fmt.Errorf("kafka: WithSarama: %w", err))
	}
	if len(mistakes) > 0 {
		return nil, errors.Join(mistakes...)
	}
	p := &Producer{brokers: slices.Clone(brokers), closing: make(chan struct{}), closed: make(chan struct{})}
	if err := p.start(s, config); err != nil {
		return nil, explain(err, brokers)
	}
	p.results.spawn(p.succeed)
	p.results.spawn(p.failed)
	return p, nil
}

// start makes the client and gets the producer's identity, by calls that take no
// context.
func (p *Producer) start(s *settings, config *sarama.Config) error {
	lines := install(config)
	late := fmt.Errorf("no answer within %v (WithStartTimeout)", s.startTimeout)
	ctx, cancel := context.WithTimeoutCause(context.Background(), s.startTimeout, late)
	defer cancel()
	var calls crew
	made, err := await(ctx, &calls, func() (made, error) { return assemble(ctx, p.brokers, config, lines) })
	p.link, p.async = made.link, made.async
	if err != nil {
		lines.close()
		waitFor(calls.close())
	}
	return err
}

// made is what a producer is made of.
type made struct {
	link  *link
	async sarama.AsyncProducer
}

// assemble blocks for the network. What it has made when ctx ended, it closes.
func assemble(ctx context.Context, brokers []string, config *sarama.Config, lines *dialer) (made, error) {
	client, err := sarama.NewClient(brokers, config)
	if err != nil {
		return made{}, err
	}
	l := &link{Client: client, lines: lines}
	async, err := sarama.NewAsyncProducerFromClient(client)
	if err == nil && ctx.Err() != nil {
		_ = async.Close()
		err = context.Cause(ctx)
	}
	if err != nil {
		l.close()
		return made{}, err
	}
	return made{l, async}, nil
}

// Publish stores a record and returns nil once the broker acknowledged it. A nil
// key leaves the choice of the partition to sarama, a nil value is a tombstone. The
// slices must not change until Publish returns; when it returns because ctx ended,
// not at all.
//
// It returns a [*PublishError], [ErrProducerClosed], or an error that wraps ctx's
// when that ended first; the record may then still be stored.
func (p *Producer) Publish(ctx context.Context, topic string, key, value []byte, headers stage.Headers) error {
	result := make(chan error, 1)
	if err := p.hand(ctx, record(topic, key, value, headers, result)); err != nil {
		return err
	}
	select {
	case err := <-result:
		return publishError(topic, err)
	case <-ctx.Done():
		return fmt.Errorf("kafka: publishing to %q: not acknowledged yet, it may still be stored: %w", topic, ctx.Err())
	}
}

func (p *Producer) hand(ctx context.Context, r *sarama.ProducerMessage) error {
	if !p.sending.enter() {
		return ErrProducerClosed
	}
	defer p.sending.leave()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("kafka: publishing to %q: %w", r.Topic, err)
	}
	select {
	case p.async.Input() <- r:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("kafka: publishing to %q: not sent: %w", r.Topic, ctx.Err())
	case <-p.closing:
		return ErrProducerClosed
	}
}

func record(topic string, key, value []byte, headers stage.Headers, result chan error) *sarama.ProducerMessage {
	r := &sarama.ProducerMessage{Topic: topic, Metadata: result}
	if key != nil {
		r.Key = sarama.ByteEncoder(key)
	}
	if value != nil {
		r.Value = sarama.ByteEncoder(value)
	}
	for _, h := range headers {
		r.Headers = append(r.Headers, sarama.RecordHeader{Key: []byte(h.Key), Value: h.Value})
	}
	return r
}

// succeed and failed give sarama's answers to the calls that wait for them; the
// channels hold one answer, so a call that is gone blocks nobody.
func (p *Producer) succeed() {
	for r := range p.async.Successes() {
		answer(r, nil)
	}
}

func (p *Producer) failed() {
	for e := range p.async.Errors() {
		answer(e.Msg, e.Err)
	}
}

func answer(r *sarama.ProducerMessage, err error) {
	if result, ok := r.Metadata.(chan error); ok {
		result <- err
	}
}

// Close waits until every record handed over is answered, and ends the producer.
// When ctx ends first it cuts the connections, the remaining records fail, and an
// error is returned. Further calls wait for the first.
func (p *Producer) Close(ctx context.Context) error {
	p.once.Do(func() {
		close(p.closing)
		<-p.sending.close()
		p.async.AsyncClose()
		go func() {
			defer close(p.closed)
			<-p.results.close()
			p.link.close()
		}()
	})
	select {
	case <-p.closed:
		return nil
	case <-ctx.Done():
	}
	p.link.lines.close()
	if !waitFor(p.closed) {
		return fmt.Errorf("kafka: the producer did not end after its connections to %s were cut: %w", strings.Join(p.brokers, ", "), ctx.Err())
	}
	return fmt.Errorf("kafka: closing the producer: records may be unsent: %w", ctx.Err())
}
