package world

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/vlab-research/burrow/chaos/internal/judge"
)

// deleteMessages empties some logs while nobody reads, so that what came meanwhile
// is gone before it was read.
func deleteMessages(ctx context.Context, r *round, rng *rand.Rand) error {
	r.disturb("messages deleted", judge.Everyone)
	for _, p := range r.fleet.all() {
		if !p.asked.Load() && !p.frozen.Load() {
			defer r.freeze(p)()
		}
	}
	hold(ctx, rng, session/10, session/3)
	ends, err := r.cluster.admin.ListEndOffsets(ctx, r.name)
	if err != nil {
		return unless(ctx, err)
	}
	upTo := make(kadm.Offsets)
	ends.Each(func(end kadm.ListedOffset) {
		if rng.IntN(2) == 0 && end.Err == nil && end.Offset > 0 {
			upTo.Add(kadm.Offset{Topic: r.name, Partition: end.Partition, At: end.Offset, LeaderEpoch: -1})
		}
	})
	// A leader that is asked may delete, though its answer is lost.
	for p, o := range upTo[r.name] {
		r.recorder.tell(func(j *judge.Judge, _ int64) { j.Deleted(p, o.At) })
	}
	short, cancel := context.WithTimeout(ctx, session/3)
	defer cancel()
	_, _ = r.cluster.admin.DeleteRecords(short, upTo) // a leader may be away
	return nil
}

// replaceWorker starts another process with the name of one that is stopped. When
// that goes on, it has to find out and to end; or the other one has, if the one that
// was stopped had to join anew, because the brokers take the last that joins for the right one.
func replaceWorker(ctx context.Context, r *round, rng *rand.Rand) error {
	p := r.fleet.pick(rng)
	if p == nil || !p.joined.Load() {
		return nil
	}
	r.disturb("replaced zombie", p.number)
	thaw := r.freeze(p)
	other, err := r.fleet.replace(p)
	if err != nil {
		thaw()
		return err
	}
	until, cancel := context.WithTimeout(ctx, hung)
	defer cancel()
	for !other.joined.Load() && other.alive() && pause(until, 50*time.Millisecond) == nil { //nolint:revive // it only waits
	}
	if !other.joined.Load() { // no broker has let it yet, so which of the two is right can't be told
		other.kill()
		p.kill()
		return r.fleet.fill()
	}
	thaw()
	if !endsEither(p, other, hung) {
		r.breaks("replaced zombie: processes %d and %d both go on with one name %v after the second joined", p.number, other.number, hung)
		p.kill()
	}
	r.fleet.keep(p, other)
	return r.fleet.fill()
}

func endsEither(a, b *process, within time.Duration) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-a.done:
	case <-b.done:
	case <-timer.C:
		return false
	}
	return true
}

// fenced says whether a process with a rival ended for the right reason.
func (p *process) fenced() error {
	words := p.lastWords()
	if p.err == nil || !strings.Contains(words, sarama.ErrFencedInstancedId.Error()) {
		return fmt.Errorf("process %d had a rival of its name, and ended with %v: %s", p.number, p.err, words)
	}
	return nil
}
