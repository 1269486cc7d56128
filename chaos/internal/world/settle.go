package world

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vlab-research/burrow/chaos/internal/judge"
	"github.com/vlab-research/burrow/chaos/internal/ledger"
	"github.com/vlab-research/burrow/internal/kraft"
)

// quiet is how long the group may take to finish what is left, undisturbed.
const quiet = time.Minute

func (r *round) prepareProducer() {
	r.producer = &producer{
		dial: func(opts ...kgo.Opt) (*kgo.Client, error) {
			return r.cluster.dial(append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
		},
		topic: r.name, kind: r.Topic, rate: r.Rate, mean: 2 * time.Millisecond,
		seed: [2]uint64{r.Seed, uint64(r.Number)}, backlog: r.lag.Load, //nolint:gosec // it counts from 1
	}
	r.producer.partitions.Store(partitions)
	r.recorder.backlog = func() bool { return r.producing.Load() && r.lag.Load() > 0 }
}

// observe asks the brokers what is committed and what is not, all the time.
func (r *round) observe(ctx context.Context) {
	for pause(ctx, 500*time.Millisecond) == nil {
		asked := time.Now()
		committed, err := r.committed(ctx)
		if took := time.Since(asked); took >= slow {
			r.machine.slow.Add(1)
			r.recorder.tell(func(j *judge.Judge, at int64) { j.Slow(at) })
		}
		if err != nil {
			continue
		}
		r.recorder.ask(func(j *judge.Judge) {
			for p, next := range committed {
				j.Broker(ledger.Now(), p, next)
			}
		})
		ends, err := r.readable(ctx)
		if err != nil {
			continue
		}
		lag := int64(0)
		for p, end := range ends {
			lag += max(0, end-committed[p])
		}
		r.lag.Store(lag)
	}
}

// finallyCommitted asks until it is answered.
func (r *round) finallyCommitted(ctx context.Context) (map[int32]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	for {
		committed, err := r.committed(ctx)
		if err == nil || pause(ctx, 200*time.Millisecond) != nil {
			return committed, err
		}
	}
}

// awaitOwned waits until every partition has had an owner that committed.
func (r *round) awaitOwned(ctx context.Context) error {
	for {
		committed, err := r.committed(ctx)
		if err == nil && len(committed) == partitions {
			return nil
		}
		if n := r.fleet.size(); n < members {
			return fmt.Errorf("only %d of %d processes are left", n, members)
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return fmt.Errorf("%d of %d partitions have an owner: %w", len(committed), partitions, err)
		}
	}
}

// readable returns where what a consumer may read ends.
func (r *round) readable(ctx context.Context) (map[int32]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	list := r.cluster.admin.ListEndOffsets
	if r.Topic == Transactions {
		list = r.cluster.admin.ListCommittedOffsets
	}
	answers, err := list(ctx, r.name)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("reading the ends of %s: %w", r.name, err)
	}
	ends := make(map[int32]int64)
	answers.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
	return ends, nil
}

func (r *round) committed(ctx context.Context) (map[int32]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	answers, err := r.cluster.admin.FetchOffsets(ctx, r.group)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		return nil, err
	}
	committed := make(map[int32]int64)
	answers.Each(func(o kadm.OffsetResponse) {
		if o.At >= 0 {
			committed[o.Partition] = o.At
		}
	})
	return committed, nil
}

// settle lets the group finish what is left, ends it in good order and judges.
func (r *round) settle(ctx context.Context, slowest *time.Duration) error {
	r.fleet.thaw()
	if err := r.fleet.fill(); err != nil {
		return err
	}
	logs, err := r.audit(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := r.awaitCommitted(ctx, logs); err != nil {
		r.breaks("%v", err)
	}
	r.Say("everything was committed %v after the last disturbance", time.Since(began).Round(time.Millisecond))
	slow := r.machine.slow.Load()
	end, err := r.fleet.end()
	r.ended("the end of the fleet", end, err, slow)
	*slowest = max(*slowest, end.took)
	r.fleet.watchers.Wait()
	committed, err := r.finallyCommitted(ctx)
	if err != nil {
		return err
	}
	if err := r.recorder.finish(); err != nil {
		return err
	}
	if logs, err = r.audit(ctx); err != nil { // compaction goes on
		return err
	}
	r.recorder.ask(func(j *judge.Judge) {
		for p, next := range committed {
			j.Broker(ledger.Now(), p, next)
		}
		j.Close(logs)
	})
	return r.compare(ctx, committed, logs)
}

// audit reads the log, when every transaction has ended.
func (r *round) audit(ctx context.Context) (map[int32]judge.Log, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*reading, errors.New("a transaction stays open"))
	defer cancel()
	for r.Topic == Transactions {
		readable, err := r.readable(ctx)
		if err != nil { // leaders move
			if err := pause(ctx, 200*time.Millisecond); err != nil {
				return nil, err
			}
			continue
		}
		ends, err := r.cluster.bounds(ctx, r.name)
		if err != nil {
			return nil, err
		}
		open := false
		for p, log := range ends {
			open = open || readable[p] < log.End
		}
		if !open {
			break
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return r.cluster.read(ctx, r.name, r.Topic == Transactions)
}

func (r *round) awaitCommitted(ctx context.Context, logs map[int32]judge.Log) error {
	ctx, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	for {
		behind := []string{"the brokers don't say"}
		if committed, err := r.committed(ctx); err == nil {
			behind = nil
			for p, log := range logs {
				if rest := log.Resting(); committed[p] < rest {
					behind = append(behind, fmt.Sprintf("partition %d at %d of %d", p, committed[p], rest))
				}
			}
		}
		if len(behind) == 0 {
			return nil
		}
		if pause(ctx, 200*time.Millisecond) != nil {
			slices.Sort(behind)
			return fmt.Errorf("after %v of quiet not everything is committed: %s", quiet, strings.Join(behind, ", "))
		}
	}
}

// compare has Kafka's own tool say what is committed and what is not.
func (r *round) compare(ctx context.Context, committed map[int32]int64, logs map[int32]judge.Log) error {
	text, err := r.cluster.kafka.Admin(ctx, kraft.ConsumerGroupCommand, "--describe", "--group", r.group)
	if err != nil {
		return err
	}
	rows := 0
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[0] != r.group {
			continue
		}
		rows++
		partition, err1 := strconv.ParseInt(fields[2], 10, 32)
		current, err2 := strconv.ParseInt(fields[3], 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("reading %q: %w", line, err)
		}
		p := int32(partition) //nolint:gosec // parsed with 32 bits
		if lag := strconv.FormatInt(logs[p].End-committed[p], 10); current != committed[p] || fields[5] != lag {
			r.breaks("ConsumerGroupCommand says %q, the library committed %d and left %s", strings.TrimSpace(line), committed[p], lag)
			continue
		}
		r.agreed++
	}
	if rows != len(logs) {
		r.breaks("ConsumerGroupCommand shows %d of %d partitions:\n%s", rows, len(logs), text)
	}
	return nil
}

func (r *round) result(slowest time.Duration) Result {
	result := Result{Plan: r.Plan, SlowestExit: slowest, Agreed: r.agreed, Late: r.late}
	r.recorder.ask(func(j *judge.Judge) {
		result.Figures, result.Faults, result.Broken = j.Figures, j.Faults(), j.Broken()
	})
	r.fleet.mu.Lock()
	defer r.fleet.mu.Unlock()
	result.FailedStarts, result.Returned, result.Replaced = r.fleet.failedStarts, r.fleet.returned, r.fleet.replaced
	result.Broken = append(result.Broken, r.broken...)
	for _, err := range r.fleet.exits {
		result.Broken = append(result.Broken, err.Error())
	}
	return result
}
