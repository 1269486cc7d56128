package hostile_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/propagation"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/internal/kafkatest"
	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/source/kafka"
	"github.com/vlab-research/burrow/stage"
)

const (
	campaignSeeds      = 2
	campaignRecords    = 400
	campaignPartitions = 3
)

// hostile draws a record that nobody should write. Each holds the secret where there is room for it.
func hostile(r *rand.Rand, i int) *kgo.Record {
	record := &kgo.Record{Partition: int32(i % campaignPartitions), Key: hostileBytes(r, 64<<10), Value: hostileBytes(r, 1<<18)}
	switch r.IntN(25) {
	case 0:
		record.Value = bytes.Repeat([]byte(secret), (1<<20)/len(secret)) // a MiB
	case 1:
		record.Key = bytes.Repeat([]byte(secret), (1<<19)/len(secret))
	case 2:
		record.Headers = hostileHeaders(r, 4000)
	default:
		record.Headers = hostileHeaders(r, r.IntN(4))
	}
	if r.IntN(5) == 0 {
		record.Timestamp = time.UnixMilli(r.Int64N(1 << 40)) // up to 2004
	}
	return record
}

// hostileBytes draws nil, nothing, broken text, JSON that is nearly right, and noise.
func hostileBytes(r *rand.Rand, most int) []byte {
	switch r.IntN(12) {
	case 0:
		return nil
	case 1:
		return []byte{}
	case 2:
		return []byte("\xff\xfe\xfd" + secret + "\xc3\x28\x00")
	case 3:
		return []byte(`{"secret":"` + secret + `","panic":true}`)
	case 4:
		return []byte(`{"secret":"` + secret + `","n":1e999}`)
	case 5:
		return []byte(`{"secret":"` + secret + `"`)
	case 6:
		return []byte(strings.Repeat(`{"`+secret+`":[`, 2000)) // deep
	case 7:
		return []byte(secret + "\n\r\x1b[2J level=error msg=\"forged\" %s%n%d{{.}}")
	case 8:
		noise := make([]byte, r.IntN(most))
		for i := range noise {
			noise[i] = byte(r.Uint32())
		}
		return append(noise, secret...)
	default:
		return []byte(`{"secret":"` + secret + `","n":` + fmt.Sprint(r.IntN(8)) + `}`)
	}
}

// hostileHeaders also draws the names that middleware reads.
func hostileHeaders(r *rand.Rand, n int) (headers []kgo.RecordHeader) {
	names := []string{
		"", secret, "traceparent", "tracestate", "baggage", middleware.HeaderID, middleware.HeaderOffset, middleware.HeaderAttempts,
		middleware.HeaderTopic, middleware.HeaderError, middleware.HeaderFirstFailure, "\xff\xfe", strings.Repeat(secret, 100),
	}
	for range n {
		headers = append(headers, kgo.RecordHeader{Key: names[r.IntN(len(names))], Value: hostileBytes(r, 200)})
		if n > 100 {
			headers[len(headers)-1].Value = []byte(secret)
		}
	}
	return headers
}

// order is what the handlers take the values for.
type order struct {
	Secret string `json:"secret"`
	N      int    `json:"n"`
	Panic  bool   `json:"panic"`
}

var errOrder = errors.New("this order can't be processed")

// stages decode, check and do what fails in every way.
func stages(b burrow.Builder) burrow.Builder {
	return b.
		Stage(stage.Decode(func(value []byte) (o order, err error) {
			if err := json.Unmarshal(value, &o); err != nil {
				return o, fmt.Errorf("cannot decode %.100q: %w", value, err)
			}
			return o, nil
		})).
		Stage(stage.Validate(func(o order) error {
			if o.N == 2 {
				return fmt.Errorf("%s isn't valid", o.Secret)
			}
			return nil
		})).
		Stage(stage.Named("save", stage.Handle(save)))
}

func save(_ context.Context, o order) error {
	switch {
	case o.Panic:
		panic("cannot save " + o.Secret)
	case o.N == 3:
		return errOrder
	case o.N == 4:
		return &stage.PayloadError{Op: "save", Err: fmt.Errorf("duplicate %s", o.Secret)}
	case o.N == 5:
		return retry.Permanent(errOrder)
	case o.N == 6:
		return fmt.Errorf("%w: not of interest", stage.Skip)
	}
	return nil
}

// everything is all the middleware that looks at messages.
func (g *ground) everything(dead middleware.Publisher, topic string) func(burrow.Builder) burrow.Builder {
	propagate := middleware.Propagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	return func(b burrow.Builder) burrow.Builder {
		return stages(b.WithWorkers(32).WithMaxConsecutiveErrors(1_000_000).WithMaxInFlight(200).
			WithDrainTimeout(10*time.Second).
			Use(middleware.Logging(g.told.logger(), middleware.Sample(0, 0, 0)),
				middleware.Tracing(middleware.TracerProvider(g.told.tracer), propagate),
				middleware.Metrics(middleware.MeterProvider(g.told.meters)),
				middleware.DeadLetter(dead, topic, middleware.DeadLettersInARow(0)),
				middleware.Retry(retry.Linear{Step: time.Millisecond}, 2), middleware.Recover()))
	}
}

// Whatever a record holds, it ends: done, skipped, or as a dead letter that is its copy.
func TestHostileRecordsAreDoneOrDeadLetteredAndNothingIsTold(t *testing.T) {
	t.Parallel()
	for seed := range uint64(campaignSeeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			campaign(t, kafkatest.Brokers(t), seed)
		})
	}
}

func campaign(t *testing.T, b *kafkatest.Broker, seed uint64, opts ...kafka.Option) {
	t.Helper()
	large := map[string]string{"max.message.bytes": "8000000", "message.timestamp.type": "CreateTime"}
	g := newGround(t, b, campaignPartitions, large)
	dead := b.CreateTopic(t, "dead", 1, large)
	r := rand.New(rand.NewPCG(seed, 1))
	records := make([]*kgo.Record, campaignRecords)
	for i := range records {
		records[i] = hostile(r, i)
	}
	slices.SortStableFunc(records, func(a, b *kgo.Record) int { return cmp.Compare(a.Partition, b.Partition) })
	g.produceLarge(t, records)
	letters := kafka.WithSarama(func(c *sarama.Config) { c.Producer.MaxMessageBytes = 4 << 20 })
	producer, err := kafka.NewProducer(b.Addrs(), append(opts, letters, kafka.WithLogger(g.told.logger()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = producer.Close(context.Background()) })
	run := g.start(t, g.everything(producer, dead), opts...)
	for p, end := range g.EndOffsets(t, g.topic) {
		g.committed(t, p, end)
	}
	s := run.Stats()
	g.told.keepsSecrets(t, true) // also the metrics that end with the run
	run.stop(t)
	g.judgeCampaign(t, s, records, dead)
	if leaked := leaks(fmt.Sprint(run.err, run.Health())); len(leaked) > 0 {
		t.Errorf("an error tells the secret as %q", leaked)
	}
	t.Logf("seed %d: %d done, %d skipped, %d dead-lettered, %d failed", seed, s.Processed, s.Skipped, s.DeadLettered, s.Failed)
	g.told.keepsSecrets(t, true)
}

// judgeCampaign looks for every record where it must be: done, skipped, or as its copy among the dead letters.
func (g *ground) judgeCampaign(t *testing.T, s burrow.Stats, records []*kgo.Record, dead string) {
	t.Helper()
	letters := g.letters(t, dead, int(s.DeadLettered))
	if s.DeadLettered < campaignRecords/4 || s.Processed < campaignRecords/20 || s.Skipped == 0 || s.Failed > 0 ||
		s.Processed+s.Skipped+s.DeadLettered != campaignRecords {
		t.Errorf("of %d records: %+v", campaignRecords, s)
	}
	missing := 0
	for _, record := range records {
		letter, ok := letters[stage.Position{Topic: record.Topic, Partition: record.Partition, Offset: record.Offset}]
		if ok && (!bytes.Equal(letter.Key, record.Key) || !bytes.Equal(letter.Value, record.Value) || (letter.Key == nil) != (record.Key == nil)) {
			t.Errorf("the letter of %d/%d isn't its copy", record.Partition, record.Offset)
		}
		g.mu.Lock()
		done := g.seen[stage.Position{Topic: record.Topic, Partition: record.Partition, Offset: record.Offset}]
		g.mu.Unlock()
		if done == 0 && !ok {
			missing++
		}
	}
	if int64(missing) != s.Skipped {
		t.Errorf("%d records are neither done nor dead-lettered, %d were skipped", missing, s.Skipped)
	}
}

// letters reads the dead letters, by the positions of their originals.
func (g *ground) letters(t *testing.T, dead string, n int) map[stage.Position]*kgo.Record {
	t.Helper()
	client := g.Client(t, kgo.ConsumeTopics(dead), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	found := make(map[stage.Position]*kgo.Record)
	for len(found) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d of %d dead letters: %v", len(found), n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			var headers stage.Headers
			for _, h := range r.Headers {
				headers = append(headers, stage.Header{Key: h.Key, Value: h.Value})
			}
			letter, err := middleware.ParseDeadLetter(headers)
			if err != nil {
				t.Errorf("a dead letter that can't be read: %v", err)
			}
			found[letter.Position] = r
		})
	}
	return found
}

// produceLarge stores records that don't fit into a default batch.
func (g *ground) produceLarge(t *testing.T, records []*kgo.Record) {
	t.Helper()
	client := g.Client(t, kgo.DefaultProduceTopic(g.topic), kgo.ProducerBatchMaxBytes(4<<20))
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}
