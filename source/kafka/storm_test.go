package kafka_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vlab-research/burrow/internal/kafkatest"
	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// Members come and go while one commits all the time.
func TestCommitsSurviveManyRebalances(t *testing.T) {
	t.Parallel()
	const partitions = 8
	g := newGround(t, partitions)
	rounds := 3
	if g.Kind() != kafkatest.Fake {
		rounds = 10
	}
	seen := &ledger{times: make(map[stage.Position]int)}
	stays := newWorker(g.source(t), seen)
	leave := stays.start(t)
	eventually(t, "all claims are served", func() bool { return len(stays.claims()) == partitions })
	producing := g.load(t, partitions)

	for round := range rounds {
		guests := []*worker{newWorker(g.source(t), seen), newWorker(g.source(t), seen)}
		before := stays.claims()
		var stops []func() error
		for i, guest := range guests {
			stops = append(stops, guest.start(t))
			eventually(t, fmt.Sprintf("guest %d of round %d serves", i, round), func() bool { return len(guest.claims()) > 0 })
		}
		for i, guest := range guests {
			if err := stops[i](); err != nil {
				t.Fatal(err)
			}
			guest.wasNeverFenced(t, fmt.Sprintf("guest %d of round %d", i, round))
		}
		eventually(t, "all claims are back", func() bool { return len(stays.claims()) == partitions })
		kept := slices.DeleteFunc(stays.claims(), func(c source.Claim) bool { return !slices.Contains(before, c) })
		if len(kept) < 2 {
			t.Errorf("%d of %d claims were kept while two guests came and left", len(kept), partitions)
		}
	}

	produced := producing()
	eventually(t, "everything is received", func() bool { received, _ := seen.sum(); return received >= produced })
	if err := leave(); err != nil {
		t.Fatal(err)
	}
	stays.wasNeverFenced(t, "the member that stays")
	if received, repeated := seen.sum(); received != produced || repeated > 0 {
		t.Errorf("%d messages received of %d, %d more than once, though every claim was drained", received, produced, repeated)
	}
	for p, end := range g.EndOffsets(t, g.topic) {
		if at := g.committed(t, p); at != end {
			t.Errorf("partition %d is committed at %d, want %d", p, at, end)
		}
	}
}

// load produces to all partitions until stop is called, which returns how many
// records there are.
func (g *ground) load(t testing.TB, partitions int) (stop func() int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(g.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	produced, failed := 0, error(nil)
	var producing sync.WaitGroup
	producing.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil && failed == nil {
			<-tick.C
			records := make([]*kgo.Record, partitions)
			for p := range records {
				records[p] = &kgo.Record{Topic: g.topic, Partition: int32(p)}
			}
			failed = client.ProduceSync(context.Background(), records...).FirstErr()
			produced += partitions
		}
	})
	stop = sync.OnceValue(func() int {
		cancel()
		producing.Wait()
		client.Close()
		if failed != nil {
			t.Errorf("producing: %v", failed)
		}
		return produced
	})
	t.Cleanup(func() { stop() })
	return stop
}
