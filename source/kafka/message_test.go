package kafka

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// stubGroup and stubClaim are what newClaim takes.
type stubGroup struct{ sarama.ConsumerGroup }

func (stubGroup) Pause(map[string][]int32)  {}
func (stubGroup) Resume(map[string][]int32) {}

type stubClaim struct {
	sarama.ConsumerGroupClaim
	messages chan *sarama.ConsumerMessage
}

func (stubClaim) Topic() string                              { return "orders" }
func (stubClaim) Partition() int32                           { return 3 }
func (stubClaim) HighWaterMarkOffset() int64                 { return 9 }
func (s stubClaim) Messages() <-chan *sarama.ConsumerMessage { return s.messages }

type stubSession struct{ sarama.ConsumerGroupSession }

func (stubSession) Context() context.Context { return context.Background() }

func stub() (*claim, chan *sarama.ConsumerMessage) {
	messages := make(chan *sarama.ConsumerMessage, 1)
	return newClaim(nil, stubGroup{}, stubSession{}, stubClaim{messages: messages}), messages
}

func TestAMessageShowsEverythingOfTheRecord(t *testing.T) {
	t.Parallel()
	at := time.Unix(7, 0)
	m := message{&sarama.ConsumerMessage{
		Topic: "orders", Partition: 3, Offset: 8, Key: []byte("k"), Value: nil, Timestamp: at,
		Headers: []*sarama.RecordHeader{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("a"), Value: nil}},
	}}
	if m.Position() != (stage.Position{Topic: "orders", Partition: 3, Offset: 8}) || string(m.Key()) != "k" || m.Value() != nil || !m.Timestamp().Equal(at) {
		t.Errorf("got %v %q %v %v", m.Position(), m.Key(), m.Value(), m.Timestamp())
	}
	h := m.Headers()
	if len(h) != 2 || h[0].Key != "a" || string(h[0].Value) != "1" || h[1].Value != nil {
		t.Errorf("headers %v", h)
	}
}

func TestReceivingCostsNoAllocation(t *testing.T) {
	c, messages := stub()
	record := &sarama.ConsumerMessage{Offset: 1}
	into := make([]source.Delivery, 1)
	if n := testing.AllocsPerRun(100, func() {
		messages <- record
		_, _ = c.Receive(into, nil)
		_ = into[0].Message.Position()
	}); n != 0 {
		t.Errorf("%v allocations a message", n)
	}
}

func TestWhatIsReadyIsReceivedAtOnce(t *testing.T) {
	t.Parallel()
	c, _ := stub()
	c.start, c.messages = 2, stocked(30)
	into := make([]source.Delivery, 25)
	var got []int64
	for _, want := range []int{atOnce - 2, 30 - atOnce} { // two of the first batch come before the start
		n, err := c.Receive(into, nil)
		if err != nil || n != want {
			t.Errorf("%d messages and %v, want %d", n, err, want)
		}
		for _, d := range into[:n] {
			if d.Offset != d.Message.Position().Offset || d.Size != 5 {
				t.Errorf("a delivery of %d bytes at %d is of the message at %v", d.Size, d.Offset, d.Message.Position())
			}
			got = append(got, d.Offset)
		}
	}
	for i, offset := range got {
		if offset != int64(i)+c.start {
			t.Fatalf("received the offsets %v", got)
		}
	}
	if n, err := c.Receive(into, nil); n != 0 || !errors.Is(err, source.ErrClosed) {
		t.Errorf("after the last: %d messages and %v", n, err)
	}
}

// stocked returns a closed channel with n messages in it.
func stocked(n int) <-chan *sarama.ConsumerMessage {
	messages := make(chan *sarama.ConsumerMessage, n)
	for offset := range int64(n) {
		messages <- &sarama.ConsumerMessage{Offset: offset, Value: []byte("value")}
	}
	close(messages)
	return messages
}

func TestMessagesBeforeThePinnedStartAreNotDelivered(t *testing.T) {
	t.Parallel()
	c, messages := stub()
	c.start = 5
	go func() {
		for offset := range int64(7) {
			messages <- &sarama.ConsumerMessage{Offset: offset}
		}
		close(messages)
	}()
	m, err := source.Next(c, nil)
	if err != nil || m.Position().Offset != 5 {
		t.Errorf("got %v, %v; want offset 5", m, err)
	}
	for range messages { // lets the feeder end
	}
}

func BenchmarkReceive(b *testing.B) {
	c, messages := stub()
	record := &sarama.ConsumerMessage{Offset: 1}
	into := make([]source.Delivery, 1)
	b.ReportAllocs()
	for b.Loop() {
		messages <- record
		if _, err := c.Receive(into, nil); err != nil {
			b.Fatal(err)
		}
	}
}

type sessionOfGeneration struct {
	stubSession
	generation int32
}

func (s sessionOfGeneration) GenerationID() int32 { return s.generation }
func (s sessionOfGeneration) MemberID() string    { return "m" }

func TestACommitIsOfTheNewestGenerationAssigned(t *testing.T) {
	t.Parallel()
	config := sarama.NewConfig()
	l, err := connect([]string{"localhost:9092"}, func() *sarama.Config { config.Metadata.Full = false; return config }())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	r := new(rebalance)
	k := newCommitter(l, "g", time.Second, r, new(crew))
	for _, test := range []struct{ assigned, session, want int32 }{{-1, 3, 3}, {4, 3, 4}, {4, 4, 4}} {
		r.generation.Store(test.assigned)
		session := sessionOfGeneration{generation: test.session}
		if got := k.request(k.sender(session), nil).ConsumerGroupGeneration; got != test.want {
			t.Errorf("assigned %d, session at %d: commits as %d, want %d", test.assigned, test.session, got, test.want)
		}
	}
}
