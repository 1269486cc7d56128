// Package source is the contract between the engine and whatever delivers
// messages to it.
//
// A [Source] is one member of one consumer group. It hands the engine a [Claim]
// for each partition that is assigned to it and takes the engine's commits. It
// decides nothing: which messages are done, and so what may be committed, is the
// engine's business; who owns a partition, and whether a commit counts, is the
// broker's.
//
// Package sourcetest holds the conformance suite that every source passes.
package source

import (
	"context"
	"errors"
	"time"

	"github.com/vlab-research/burrow/stage"
)

// Errors that a source reports. They are matched with errors.Is; the errors
// around them name the topic, the partition and the broker's own words.
var (
	// ErrClosed is returned by Receive when the claim is over: revoked, lost, or
	// the source is being stopped. Nothing more will be delivered.
	ErrClosed = errors.New("source: the claim is over")
	// ErrWoken is returned by Receive when its wake channel ended the wait.
	ErrWoken = errors.New("source: woken")
	// ErrFenced is a commit's verdict when the broker no longer knows this member as
	// the partition's owner. It is final for the claim.
	ErrFenced = errors.New("source: the partition belongs to another member or generation")
	// ErrDenied is a commit's verdict that no retry will change: missing rights, an
	// invalid request. It ends the pipeline. An unknown topic may be tried again: a
	// broker that just started may not have heard of it yet.
	ErrDenied = errors.New("source: the broker refuses the commit for good")
)

// Source is one member of a consumer group.
type Source interface {
	// Run joins the group and calls h.Serve, on a goroutine of its own, for each
	// partition that is assigned to this member, until ctx ends. It then closes
	// the claims, waits for every Serve to return, leaves the group and returns
	// nil. It returns an error, after the same clean-up, when it can't start
	// within its own deadlines, or when going on makes no sense. After a successful start a lost
	// connection is not an error: it reconnects and says so in Health.
	//
	// Run is called at most once.
	Run(ctx context.Context, h Handler) error

	// Commit stores offsets for claims being served, all in one request where the
	// broker's protocol can. Each claim must be the value that this source gave to
	// Serve, not one that wraps it. Commit returns one verdict for each: nil once the
	// broker acknowledged exactly that offset, an error that is [ErrFenced] or
	// [ErrDenied], or any other error,
	// which means that it may be tried again. It returns when ctx ends at the
	// latest, whatever the network does. It isn't called by two goroutines at once.
	Commit(ctx context.Context, commits []Commit) []error

	// RebalanceTimeout is how long the group waits for a member to give up
	// revoked partitions; 0 if it waits for ever. The drain must be shorter.
	RebalanceTimeout() time.Duration

	// Health returns nil while the source is a member of its group and reaches
	// its brokers, else what is wrong. It doesn't block.
	Health() error
}

// Handler is the engine, as a source sees it.
type Handler interface {
	// Serve owns the claim until it returns. It keeps calling Receive until that
	// says [ErrClosed], then drains and returns within the drain timeout. While
	// the source is not being stopped it doesn't return before ErrClosed.
	Serve(claim Claim)

	// Assigned is called after each completed rebalance with the number of
	// partitions that this member then holds, which can be none. It doesn't block.
	Assigned(partitions int)
}

// Claim is one partition assigned to this member, for one tenure: a partition
// that is revoked and comes back is another Claim. Receive is called by one
// goroutine at a time; the other methods are safe for concurrent use and don't block.
type Claim interface {
	Topic() string
	Partition() int32

	// Start is the offset from which the claim reads: what the group had committed,
	// or where a group without a commit starts. The broker already holds
	// a commit of it or of an earlier offset.
	Start() int64

	// HighWatermark is the offset behind the partition's last message, as far as
	// the source knows; at least Start.
	HighWatermark() int64

	// Receive puts the next messages into a slice that isn't empty, in the order of the log, and returns how
	// many. Offsets ascend, with holes where the log has them. Messages that are ready are returned
	// whatever the state of wake, as many as fit; otherwise Receive waits for one until wake gives
	// a value or is closed ([ErrWoken]), or the claim is over ([ErrClosed]). A nil wake never wakes.
	// There is an error if, and only if, there is no message.
	//
	// What is delivered but never committed is delivered again in another tenure.
	Receive(into []Delivery, wake <-chan struct{}) (n int, err error)

	// Pause asks for no more messages; some that were fetched already may still
	// come. Resume takes it back. Both return at once, and repeating them is harmless.
	Pause()
	Resume()
}

// Commit is an offset to store for a claim.
type Commit struct {
	Claim Claim
	// Next is the offset from which a new owner would read: the last resolved
	// message's offset plus one.
	Next int64
}

// Delivery is a message that a claim delivers, beside what the engine asks of each before it needs the rest.
type Delivery struct {
	Message stage.Message
	Offset  int64
	Size    int // of key, value, and all keys and values of headers together, in bytes
}

// Deliver makes a delivery of a message whose size isn't known without a look at its headers.
func Deliver(msg stage.Message) Delivery {
	size := len(msg.Key()) + len(msg.Value())
	for _, h := range msg.Headers() {
		size += len(h.Key) + len(h.Value)
	}
	return Delivery{Message: msg, Offset: msg.Position().Offset, Size: size}
}

// Next returns the next message of a claim. It is Receive for those who take one at a time.
func Next(c Claim, wake <-chan struct{}) (stage.Message, error) {
	var one [1]Delivery
	_, err := c.Receive(one[:], wake)
	return one[0].Message, err
}
