package kafka

import (
	"testing"

	"github.com/IBM/sarama"

	"github.com/vlab-research/burrow/source"
)

func TestTheSizeIsCountedWithoutBuildingHeaders(t *testing.T) {
	m := &sarama.ConsumerMessage{Key: []byte("key"), Value: []byte("value"), Headers: []*sarama.RecordHeader{
		{Key: []byte("ab"), Value: []byte("cde")}, nil, {Key: []byte("f")},
	}}
	if got, want := sizeOf(m), source.Deliver(message{m}).Size; got != 14 || want != 14 {
		t.Errorf("%d bytes, and %d as the headers are built", got, want)
	}
	if n := testing.AllocsPerRun(100, func() { _ = sizeOf(m) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
