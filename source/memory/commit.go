package memory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vlab-research/burrow/source"
)

// Commit is one offset that a member tried to store, as the broker remembers it.
type Commit struct {
	Topic     string
	Partition int32
	// Next is the offset from which a new owner would read.
	Next int64
	// Member is who tried.
	Member *Source
	// Generation is the newest one that the member knew.
	Generation int32
	// Stored says whether the offset became the group's.
	Stored bool
	// Answer is the verdict that the member got; nil for yes. It differs from
	// Stored when the answer was lost.
	Answer error
	// At is when the member got it.
	At time.Time
}

// CommitFunc is called for each offset of a commit. It may block until ctx ends
// at the latest, and may call the broker. An error that it returns is the offset's verdict.
type CommitFunc func(ctx context.Context, c Commit) error

// BeforeCommit sets what happens to the group's commits on their way to the
// broker: with an error the offset isn't stored, and the error is its verdict. Nil takes
// it back.
func (b *Broker) BeforeCommit(group string, f CommitFunc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.group(group).before = f
}

// AfterCommit sets what happens to the broker's answers on their way back: an
// error replaces the verdict of an offset that was decided upon, and perhaps stored ([Commit.Stored]).
// Nil takes it back.
func (b *Broker) AfterCommit(group string, f CommitFunc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.group(group).after = f
}

// DelayCommits makes each commit request of the group take this long before its
// offsets are stored. 0 takes it back.
func (b *Broker) DelayCommits(group string, d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.group(group).delay = d
}

// Committed returns the offset from which a new owner would read, and whether there
// is one. A group that reads a partition for the first time stores where it starts.
func (b *Broker) Committed(group, topic string, partition int32) (next int64, ok bool) {
	log := b.partition(topic, partition)
	b.mu.Lock()
	defer b.mu.Unlock()
	slot := b.group(group).slot(log)
	return slot.committed, slot.pinned
}

// Commits returns every offset that members of the group tried to commit, in the
// order of the answers. The offset that a group stores when it starts a partition
// isn't among them. The broker keeps them for as long as it lives.
func (b *Broker) Commits(group string) []Commit {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.group(group).commits)
}

// Reset stores an offset for a group, as an administrator would: its next owner reads from
// there. It panics while a member owns the partition.
func (b *Broker) Reset(group, topic string, partition int32, next int64) {
	log := b.partition(topic, partition)
	b.mu.Lock()
	defer b.mu.Unlock()
	slot := b.group(group).slot(log)
	if slot.owner != nil {
		panic(fmt.Sprintf("memory: Reset of %s/%d while a member of %q owns it", topic, partition, group))
	}
	slot.committed, slot.pinned = next, true
}

// WaitConsumed waits until the group has committed every message that the topic
// then holds. It returns an error that is ctx's if that ends first, and panics
// when there is no such topic.
func (b *Broker) WaitConsumed(ctx context.Context, group, topic string) error {
	for {
		stored, consumed := b.consumed(group, topic)
		if consumed {
			return nil
		}
		select {
		case <-stored:
		case <-ctx.Done():
			return fmt.Errorf("memory: group %q has not committed all of %q: %w", group, topic, ctx.Err())
		}
	}
}

func (b *Broker) consumed(groupName, topicName string) (stored <-chan struct{}, consumed bool) {
	t := b.topic(topicName)
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.group(groupName)
	for _, log := range t.partitions {
		if slot := g.slot(log); !log.consumed(slot.committed) {
			return g.stored, false
		}
	}
	return g.stored, true
}

// Commit implements [source.Source].
func (s *Source) Commit(ctx context.Context, commits []source.Commit) []error {
	verdicts := make([]error, len(commits))
	s.sleep(ctx)
	for i, c := range commits {
		verdicts[i] = s.commit(ctx, c)
	}
	return verdicts
}

// sleep waits for the group's delay, or until ctx ends.
func (s *Source) sleep(ctx context.Context) {
	s.broker.mu.Lock()
	delay := s.group.delay
	s.broker.mu.Unlock()
	if delay <= 0 {
		return
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memory: the commit was cut short: %w", err)
	}
	return nil
}

func (s *Source) commit(ctx context.Context, asked source.Commit) error {
	c, ok := asked.Claim.(*claim)
	if !ok || c.member != s {
		return fmt.Errorf("memory: commit for a claim of another source: %w", source.ErrDenied)
	}
	s.broker.mu.Lock()
	before, after := s.group.before, s.group.after
	entry := Commit{Topic: c.Topic(), Partition: c.Partition(), Next: asked.Next, Member: s, Generation: s.generation}
	s.broker.mu.Unlock()

	err := ended(ctx)
	if err == nil && before != nil {
		err = before(ctx, entry)
	}
	if err == nil {
		err = s.store(c, asked.Next)
		entry.Stored = err == nil
		if after != nil {
			if lost := after(ctx, entry); lost != nil {
				err = lost
			}
		}
	}
	entry.Answer, entry.At = err, time.Now()
	s.broker.mu.Lock()
	s.group.commits = append(s.group.commits, entry)
	s.broker.mu.Unlock()
	return err
}

// store is the broker's part of a commit.
func (s *Source) store(c *claim, next int64) error {
	s.broker.mu.Lock()
	defer s.broker.mu.Unlock()
	if c.ended {
		return fmt.Errorf("memory: commit of %d for %s/%d, generation %d of %q: %w",
			next, c.Topic(), c.Partition(), s.generation, s.group.name, source.ErrFenced)
	}
	s.group.slot(c.log).committed = next
	close(s.group.stored)
	s.group.stored = make(chan struct{})
	return nil
}
