package kafka_test

import (
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/vlab-research/burrow/internal/kafkatest"
	"github.com/vlab-research/burrow/source/kafka"
	"github.com/vlab-research/burrow/stage"
)

// A Serve may drain for longer than the session's timeout, and than every other
// timeout but that of the rebalance.
func TestALongDrainKeepsItsMembership(t *testing.T) {
	t.Parallel()
	for name, strategy := range map[string]func() sarama.BalanceStrategy{
		"cooperative-sticky": sarama.NewBalanceStrategyCooperativeSticky,
		"range":              sarama.NewBalanceStrategyRange,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			drainsForLong(t, strategy)
		})
	}
}

func drainsForLong(t *testing.T, strategy func() sarama.BalanceStrategy) {
	t.Helper()
	const partitions = 4
	g := newGround(t, partitions)
	drain, session := 3*time.Second, 2*time.Second
	if g.Kind() != kafkatest.Fake {
		drain, session = 12*time.Second, 10*time.Second
	}
	with := kafka.WithSarama(func(c *sarama.Config) {
		c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy()}
		c.Consumer.Group.Session.Timeout = session
	})
	seen := &ledger{times: make(map[stage.Position]int)}
	first, second := newWorker(g.source(t, with), seen), newWorker(g.source(t, with), seen)
	first.drain, second.drain = drain, drain
	leave := first.start(t)
	eventually(t, "all claims are served", func() bool { return len(first.claims()) == partitions })
	producing := g.load(t, partitions)

	began := time.Now()
	stop := second.start(t)
	eventually(t, "the second member serves", func() bool { return len(second.claims()) == partitions/2 })
	if took := time.Since(began); took < drain {
		t.Errorf("the second member serves after %v, before the drain of %v can be over", took, drain)
	}
	eventually(t, "the first serves the others", func() bool { return len(first.claims()) == partitions/2 })
	produced := producing()
	eventually(t, "everything is received", func() bool { received, _ := seen.sum(); return received >= produced })

	began = time.Now()
	if err := stop(); err != nil {
		t.Errorf("Run of the second: %v", err)
	}
	if err := leave(); err != nil {
		t.Errorf("Run of the first: %v", err)
	}
	if took := time.Since(began); took < 2*drain {
		t.Errorf("both ended after %v, before the two drains of %v can be over", took, drain)
	}
	first.wasNeverFenced(t, "the first")
	second.wasNeverFenced(t, "the second")
	if received, repeated := seen.sum(); received != produced || repeated > 0 {
		t.Errorf("%d messages received of %d, %d more than once", received, produced, repeated)
	}
	for p, end := range g.EndOffsets(t, g.topic) {
		if at := g.committed(t, p); at != end {
			t.Errorf("partition %d is committed at %d, want %d", p, at, end)
		}
	}
}
