package worker

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/vlab-research/burrow/chaos/internal/ledger"
	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// witness stands between the engine and the source and writes down the tenures
// and the commits, with the broker's verdicts.
type witness struct {
	source.Source
	ledger  *ledger.Writer
	tenures atomic.Int32
}

func (w *witness) Run(ctx context.Context, h source.Handler) error {
	return w.Source.Run(ctx, &witnessedHandler{h, w})
}

func (w *witness) Commit(ctx context.Context, commits []source.Commit) []error {
	inner := make([]source.Commit, len(commits))
	for i, c := range commits {
		t := c.Claim.(*tenure)
		inner[i] = source.Commit{Claim: t.Claim, Next: c.Next}
		w.ledger.Write(t.line(ledger.Asked, c.Next, 0))
	}
	verdicts := w.Source.Commit(ctx, inner)
	for i, err := range verdicts {
		w.ledger.Write(commits[i].Claim.(*tenure).line(kindOf(err), commits[i].Next, 0))
	}
	return verdicts
}

func kindOf(verdict error) ledger.Kind {
	switch {
	case verdict == nil:
		return ledger.Acked
	case errors.Is(verdict, source.ErrFenced):
		return ledger.Fenced
	default:
		return ledger.Refused
	}
}

type witnessedHandler struct {
	source.Handler
	witness *witness
}

func (h *witnessedHandler) Serve(claim source.Claim) {
	t := &tenure{Claim: claim, number: h.witness.tenures.Add(1), ledger: h.witness.ledger}
	h.witness.ledger.Write(t.line(ledger.Began, claim.Start(), 0))
	h.Handler.Serve(t)
	h.witness.ledger.Write(t.line(ledger.Ended, 0, 0))
}

func (h *witnessedHandler) Assigned(partitions int) {
	h.Handler.Assigned(partitions)
	h.witness.ledger.Write(ledger.Line{Kind: ledger.Assigned, Offset: int64(partitions)})
}

// tenure is a claim whose messages know it.
type tenure struct {
	source.Claim
	number int32
	ledger *ledger.Writer
}

func (t *tenure) line(kind ledger.Kind, offset int64, key int32) ledger.Line {
	return ledger.Line{Kind: kind, Partition: t.Partition(), Tenure: t.number, Offset: offset, Key: key}
}

func (t *tenure) Receive(into []source.Delivery, wake <-chan struct{}) (int, error) {
	n, err := t.Claim.Receive(into, wake)
	for i := range into[:n] {
		d := &into[i]
		t.ledger.Write(t.line(ledger.Received, d.Offset, keyOf(d.Message)))
		d.Message = stage.WithPayload(d.Message, &delivery{tenure: t.number})
	}
	return n, err
}

// delivery is one message in one tenure.
type delivery struct {
	tenure   int32
	attempts atomic.Int32
}
