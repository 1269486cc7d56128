package kafka

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/IBM/sarama"

	"github.com/vlab-research/burrow/source"
)

// A topic that is deleted and created again has the name of the old one, and its own id.
// Sarama fetches and commits by name, so a position says nothing without the id that it is of.

// stampPrefix begins the metadata of a commit that says which topic it is of.
const stampPrefix = "burrow topic-id="

// stamp is empty for an id that isn't known, as with brokers before 2.8.
func stamp(id sarama.Uuid) string {
	if id == (sarama.Uuid{}) {
		return ""
	}
	return stampPrefix + id.String()
}

var errRecreated = fmt.Errorf("the topic was deleted and created again: %w", source.ErrFenced)

// stored is what the group has of a partition.
type stored struct {
	offset   int64 // -1 for nothing
	metadata string
}

// isOf reports whether the offset can be one of that topic's. Without a stamp,
// another program may have stored it, and it counts.
func (s stored) isOf(id sarama.Uuid) bool {
	return !s.isStamped() || id == (sarama.Uuid{}) || s.metadata == stamp(id)
}

func (s stored) isStamped() bool { return strings.HasPrefix(s.metadata, stampPrefix) }

// topicIDs are the ids that this member has seen. Make it with newTopicIDs.
type topicIDs struct {
	known map[string]sarama.Uuid
	// past never come back: an answer that has one is of a broker that lags.
	past map[sarama.Uuid]bool
	// renewed topics were created again in this run.
	renewed map[string]bool
	// pinned are the partitions of renewed topics that have a commit of the new one.
	pinned map[place]bool
}

func newTopicIDs() *topicIDs {
	return &topicIDs{
		known: make(map[string]sarama.Uuid), past: make(map[sarama.Uuid]bool),
		renewed: make(map[string]bool), pinned: make(map[place]bool),
	}
}

// isRenewed reports whether the partition's topic was created again, and nothing is
// committed of the new one yet, as far as this member knows.
func (t *topicIDs) isRenewed(p place) bool { return t.renewed[p.topic] && !t.pinned[p] }

// learn takes in what a broker says, and returns the topics that it now knows under
// another id.
func (t *topicIDs) learn(found map[string]sarama.Uuid) (recreated []string) {
	for topic, id := range found {
		old, seen := t.known[topic]
		if id == old || t.past[id] {
			continue
		}
		t.known[topic] = id
		if seen {
			t.past[old], t.renewed[topic] = true, true
			maps.DeleteFunc(t.pinned, func(p place, _ bool) bool { return p.topic == topic })
			recreated = append(recreated, topic)
		}
	}
	return recreated
}

// identify looks at the topics' ids. It asks the group's coordinator, because that is also
// the broker that forgets the offsets of a deleted topic.
func (m *member) identify() error {
	request := sarama.NewMetadataRequest(m.config.Version, m.topics)
	response, err := askCoordinator(m, func(b *sarama.Broker) (*sarama.MetadataResponse, error) { return b.GetMetadata(request) })
	if err != nil {
		return err
	}
	found := make(map[string]sarama.Uuid)
	for _, topic := range response.Topics {
		if topic.Uuid != (sarama.Uuid{}) {
			found[topic.Name] = topic.Uuid
		}
	}
	m.recognise(found)
	return nil
}

// recognise ends the claims of topics that were created again: their commits would be
// taken for the new topic's. The group is joined anew, to read that from its beginning.
func (m *member) recognise(found map[string]sarama.Uuid) {
	m.mu.Lock()
	recreated := m.ids.learn(found)
	var restart context.CancelCauseFunc
	for _, c := range m.claims {
		if m.isOutdated(c) {
			c.endAs(errRecreated)
			restart = m.restart
		}
	}
	m.mu.Unlock()
	for _, topic := range recreated {
		m.log.WithField("topic", topic).Error("kafka: the topic was deleted and created again: reading the new one from its oldest message")
	}
	if restart != nil {
		restart(errTopics)
	}
}

// isOutdated reports whether the claim is of an earlier topic of its name. The mutex is held.
func (m *member) isOutdated(c *claim) bool {
	return c.id != (sarama.Uuid{}) && c.id != m.ids.known[c.topic]
}
