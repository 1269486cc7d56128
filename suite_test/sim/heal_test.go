package sim_test

import (
	"context"
	"time"

	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/stage"
)

// patience is how long a healed world may take to do all that is left, by its clock.
const patience = 20 * time.Minute

// run plays the whole simulation.
func (w *world) run() {
	var producers = make(chan struct{})
	go func() {
		defer close(producers)
		w.produceAll()
	}()
	for i := range w.plan.members {
		time.Sleep(w.plan.dice.roll("joins", int64(i)).span(time.Microsecond, time.Second))
		w.start()
	}
	w.disturb()
	<-producers
	if w.plan.outage {
		w.stopAll()
	}
	w.ledger.heal()
	w.setSlow(0)
	w.helpers.Wait()
	w.broker.Rebalance(group) // a partition may have been lost to nobody
	w.finish()
	time.Sleep(2 * time.Minute) // handlers that ignore their context go on
	w.probe()
	w.stopAll()
	time.Sleep(time.Minute)
	w.judgeAll()
}

func (w *world) produceAll() {
	done := make(chan struct{})
	for p := range w.plan.partitions {
		go func() {
			w.produce(int32(p))
			done <- struct{}{}
		}()
	}
	for range w.plan.partitions {
		<-done
	}
}

// finish waits until the group has committed all, and does what an operator must:
// restart what has halted, resume what is frozen, replace what a failed message holds.
func (w *world) finish() {
	for deadline := time.Now().Add(patience); ; {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := w.broker.WaitConsumed(ctx, group, topic)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.giveUp(err)
			return
		}
		w.operate()
	}
}

func (w *world) operate() {
	members := w.alive()
	for _, m := range members {
		for _, s := range m.Stats().Partitions {
			switch {
			case s.Frozen:
				m.thaw(s.Partition)
			case m.Explain(topic, s.Partition).State == "failed" && s.InFlight+s.Parked == 0:
				m.stop()
			}
		}
	}
	if len(w.alive()) == 0 {
		w.start()
	}
}

func (w *world) giveUp(err error) {
	for _, m := range w.alive() {
		for _, s := range m.Stats().Partitions {
			w.ledger.noteSafely("%v %+v", m, s)
			w.ledger.noteSafely("%v %v", m, m.Explain(topic, s.Partition))
		}
	}
	w.ledger.breaksSafely("T", "%v after healing: %v", patience, err)
}

// probe looks whether the workers are all still there: one partition gets slow
// messages without a key, and as many as may must run at once.
func (w *world) probe() {
	p := w.plan
	owner := w.broker.Owner(group, topic, 0)
	for _, m := range w.alive() {
		if m.src != owner || !w.ledger.quiet(m) {
			continue
		}
		m.audit()
		want := min(p.workers, max(1, p.window*3/4)) // it asks for no more when its window is that full
		if p.windowBytes < 1<<20 || p.ordering.String() == "by partition" {
			want = 1
		}
		w.ledger.mu.Lock()
		m.most = 0
		w.ledger.mu.Unlock()
		for range p.workers {
			w.probeOne()
		}
		w.finish()
		w.ledger.mu.Lock()
		if m.most < want && w.broker.Owner(group, topic, 0) == owner {
			w.ledger.breaks("P", "%v runs %d handlers at once, it has %d workers", m, m.most, p.workers)
		}
		w.ledger.mu.Unlock()
	}
}

// slowly is the value of a message that takes a second.
const slowly = "slowly"

func (w *world) probeOne() {
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	pos := w.broker.ProduceTo(topic, 0, stage.New(nil, []byte(slowly)))[0]
	h := w.ledger.partitions[0]
	h.produced = append(h.produced, pos.Offset)
}

// quiet tells whether nothing runs any more in a member, not even of earlier tenures.
func (l *ledger) quiet(m *member) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return m.running == 0
}

func (w *world) stopAll() {
	for _, m := range w.alive() {
		m.audit()
		m.stop()
	}
	for _, m := range w.members {
		m.cancel()
		<-m.done
	}
}

// judgeAll judges the end: nothing was lost.
func (w *world) judgeAll() {
	l := w.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	_, best := w.plan.strategy.(offsets.BestEffort)
	_, skips := w.plan.strategy.(offsets.SkipFailures)
	for p, h := range l.partitions {
		for _, offset := range h.produced {
			if !h.resolved[offset] && !best && (!skips || !h.failed[offset]) {
				l.breaks("L", "p%d@%d was never resolved", p, offset)
			}
		}
		held, _ := w.broker.Committed(group, topic, int32(p))
		if n := len(h.produced); n > 0 && held != h.produced[n-1]+1 {
			l.breaks("T", "p%d is committed up to %d of %d", p, held, h.produced[n-1]+1)
		}
	}
}
