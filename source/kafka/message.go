package kafka

import (
	"time"

	"github.com/IBM/sarama"

	"github.com/vlab-research/burrow/stage"
)

// message is a sarama message as a stage.Message. It is one pointer, which an
// interface holds without an allocation.
type message struct{ m *sarama.ConsumerMessage }

func (m message) Key() []byte          { return m.m.Key }
func (m message) Value() []byte        { return m.m.Value }
func (m message) Timestamp() time.Time { return m.m.Timestamp }

func (m message) Position() stage.Position {
	return stage.Position{Topic: m.m.Topic, Partition: m.m.Partition, Offset: m.m.Offset}
}

// Headers builds the headers at each call.
func (m message) Headers() stage.Headers {
	if len(m.m.Headers) == 0 {
		return nil
	}
	headers := make(stage.Headers, 0, len(m.m.Headers))
	for _, h := range m.m.Headers {
		if h != nil {
			headers = append(headers, stage.Header{Key: string(h.Key), Value: h.Value})
		}
	}
	return headers
}

// sizeOf returns what a message counts for in the window's bytes.
func sizeOf(m *sarama.ConsumerMessage) int {
	size := len(m.Key) + len(m.Value)
	for _, h := range m.Headers {
		if h != nil {
			size += len(h.Key) + len(h.Value)
		}
	}
	return size
}
