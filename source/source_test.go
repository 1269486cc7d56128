package source_test

import (
	"errors"
	"testing"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

func TestADeliveryIsOfTheMessagesOffsetAndBytes(t *testing.T) {
	msg := stage.New([]byte("key"), []byte("value"), stage.At(stage.Position{Topic: "t", Offset: 7}),
		stage.Headed("ab", []byte("cde")), stage.Headed("f", nil))
	if d := source.Deliver(msg); d.Message != msg || d.Offset != 7 || d.Size != 14 {
		t.Errorf("%d bytes at %d", d.Size, d.Offset)
	}
	if d := source.Deliver(stage.New(nil, nil)); d.Size != 0 {
		t.Errorf("an empty message is of %d bytes", d.Size)
	}
}

// two is a claim of two messages.
type two struct {
	source.Claim
	next int64
}

func (c *two) Receive(into []source.Delivery, _ <-chan struct{}) (n int, err error) {
	for ; n < len(into) && c.next < 2; n++ {
		into[n] = source.Deliver(stage.New(nil, nil, stage.At(stage.Position{Offset: c.next})))
		c.next++
	}
	if n == 0 {
		err = source.ErrClosed
	}
	return n, err
}

func TestNextTakesOneMessage(t *testing.T) {
	c := &two{}
	for offset := range int64(2) {
		if msg, err := source.Next(c, nil); err != nil || msg.Position().Offset != offset {
			t.Fatalf("message %d: %v, %v", offset, msg, err)
		}
	}
	if msg, err := source.Next(c, nil); msg != nil || !errors.Is(err, source.ErrClosed) {
		t.Errorf("after the last: %v, %v", msg, err)
	}
}
