package kafka

import (
	"testing"

	"github.com/IBM/sarama"
)

func TestTheSizeIsCountedWithoutBuildingHeaders(t *testing.T) {
	m := message{&sarama.ConsumerMessage{Key: []byte("key"), Value: []byte("value"), Headers: []*sarama.RecordHeader{
		{Key: []byte("ab"), Value: []byte("cde")}, nil, {Key: []byte("f")},
	}}}
	if m.Size() != 14 {
		t.Errorf("%d bytes", m.Size())
	}
	if n := testing.AllocsPerRun(100, func() { _ = m.Size() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
