package kafka

import (
	"testing"

	"github.com/IBM/sarama"
)

func TestTheSizeOfHeadersIsCountedWithoutBuildingThem(t *testing.T) {
	m := message{&sarama.ConsumerMessage{Headers: []*sarama.RecordHeader{
		{Key: []byte("ab"), Value: []byte("cde")}, nil, {Key: []byte("f")},
	}}}
	if m.HeaderBytes() != 6 {
		t.Errorf("%d bytes", m.HeaderBytes())
	}
	if n := testing.AllocsPerRun(100, func() { _ = m.HeaderBytes() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
