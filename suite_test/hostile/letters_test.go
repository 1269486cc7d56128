package hostile_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/internal/kafkatest"
	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/source/kafka"
	"github.com/vlab-research/burrow/stage"
)

// counted is a publisher whose tries are counted.
type counted struct {
	middleware.Publisher
	tries chan struct{}
}

func (c counted) Publish(ctx context.Context, topic string, key, value []byte, headers stage.Headers) error {
	c.tries <- struct{}{}
	return c.Publisher.Publish(ctx, topic, key, value, headers)
}

func (g *ground) publisher(t *testing.T, opts ...kafka.Option) counted {
	t.Helper()
	soon := kafka.WithSarama(func(c *sarama.Config) { c.Producer.Retry.Max, c.Producer.Retry.Backoff = 1, 10*time.Millisecond })
	p, err := kafka.NewProducer(g.Addrs(), append([]kafka.Option{soon, kafka.WithLogger(g.told.logger())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	return counted{p, make(chan struct{}, 100_000)}
}

// poison fails every tenth message.
func poison(_ context.Context, m stage.Message) (stage.Message, error) {
	if m.Position().Offset%10 == 4 {
		return nil, retry.Permanent(errOrder)
	}
	return m, nil
}

// lettered is a pipeline whose failures go to a topic.
func lettered(out middleware.Publisher, dead string, attempts int) func(burrow.Builder) burrow.Builder {
	return func(b burrow.Builder) burrow.Builder {
		return b.WithOrdering(burrow.Unordered).
			Use(middleware.DeadLetter(out, dead, middleware.PublishRetry(retry.Linear{Step: 200 * time.Millisecond, Max: 200 * time.Millisecond}, attempts))).
			Stage(stage.Func(poison))
	}
}

// A broker out of replicas takes no letter for a while: the messages wait, parked, and hold the commit.
func TestADeadLetterTopicWithoutReplicasHoldsTheCommitUntilItTakesLetters(t *testing.T) {
	t.Parallel()
	const n = 100
	g := newGround(t, kafkatest.Fakes(t), 1)
	dead := g.CreateTopic(t, "dead", 1)
	fault := g.Fake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: dead, Err: kerr.NotEnoughReplicas, Count: -1})
	g.fill(t, 1, n)
	out := g.publisher(t)
	r := g.start(t, lettered(out, dead, 1000))
	eventually(t, "letters that wait", func() bool {
		s := r.Stats()
		return s.Processed == n*9/10 && len(s.Partitions) == 1 && s.Partitions[0].ParkedBy["deadletter"] > 0
	})
	began, tries := time.Now(), len(out.tries)
	eventually(t, "more tries", func() bool { return time.Since(began) > time.Second && len(out.tries) > tries })
	if perSecond := float64(len(out.tries)-tries) / time.Since(began).Seconds() / (n / 10); perSecond > 6 {
		t.Errorf("%.1f tries a second for each letter, a wait of 200 ms between them", perSecond)
	}
	if next := g.next(t, 0); next != 4 {
		t.Errorf("committed %d, the first letter that is stored nowhere is that of 4", next)
	}
	fault.Remove()
	g.committed(t, 0, n)
	if letters := g.letters(t, dead, n/10); len(letters) != n/10 {
		t.Errorf("%d letters", len(letters))
	}
	r.stop(t)
	g.wantOnce(t, n*9/10)
}

// What can't be published for good is tried once, and Run ends with both errors and nothing lost.
func TestALetterThatTheBrokerNeverTakesFailsItsMessageWithBothErrors(t *testing.T) {
	t.Parallel()
	const n = 20
	for name, test := range map[string]struct {
		topic map[string]string
		fault *kerr.Error
		says  error
	}{
		"too large for the topic": {map[string]string{"max.message.bytes": "100"}, nil, sarama.ErrMessageSizeTooLarge},
		"read-only topic":         {nil, kerr.TopicAuthorizationFailed, sarama.ErrTopicAuthorizationFailed},
		"policy":                  {nil, kerr.PolicyViolation, sarama.ErrPolicyViolation},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := kafkatest.Brokers
			if test.fault != nil {
				b = kafkatest.Fakes
			}
			g := newGround(t, b(t), 1)
			dead := g.CreateTopic(t, "dead", 1, test.topic)
			if test.fault != nil {
				g.Fake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: dead, Err: test.fault, Count: -1})
			}
			g.Produce(t, g.topic, textual(n)...)
			out := g.publisher(t)
			r := g.start(t, lettered(out, dead, 1000))
			err := r.wait(t)
			if !errors.Is(err, burrow.ThresholdExceeded) || !errors.Is(err, errOrder) || !errors.Is(err, test.says) {
				t.Errorf("Run: %v, want the work's error and %v", err, test.says)
			}
			if tries := len(out.tries); tries > n/10 {
				t.Errorf("%d tries of what never succeeds", tries)
			}
			if next := g.next(t, 0); next != 4 {
				t.Errorf("committed %d, want 4: the message that is stored nowhere", next)
			}
			g.told.keepsSecrets(t, false)
		})
	}
}

// textual are records that hold the secret.
func textual(n int) []*kgo.Record {
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Key: []byte(secret), Value: []byte(secret), Headers: []kgo.RecordHeader{{Key: secret, Value: []byte(secret)}}}
	}
	return records
}
