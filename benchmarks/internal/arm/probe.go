package arm

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/benchmarks/internal/load"
	"github.com/vlab-research/burrow/source"
)

// What a run may measure beside its rate.
const (
	// ProbeLatency times sarama's channel to the handler and the handler to the commit.
	ProbeLatency = "latency"
	// ProbeQueued and ProbeDone weigh the heap while the first message holds all
	// others: those of its key in a queue, or those finished and not to be committed.
	ProbeQueued = "queued"
	ProbeDone   = "done"
	// ProbeFlat reads the live heap on the way.
	ProbeFlat = "flat"
	// ProbeKeeper says that nothing is consumed.
	ProbeKeeper = "keeper"
)

// probe measures more than the meter does. Its zero value measures nothing.
type probe struct {
	run     *run
	latency *latency
	gate    chan struct{} // closed to let the first message go on
	mu      sync.Mutex
	extra   map[string]float64
}

func newProbe(r *run) *probe {
	p := &probe{run: r, extra: make(map[string]float64)}
	switch r.Probe {
	case ProbeLatency:
		p.latency = newLatency(r.Load.Totals())
		r.meter.Before, r.meter.After = p.latency.handled, p.latency.resolved
	case ProbeQueued, ProbeDone:
		p.gate = make(chan struct{})
		if r.Arm != Holding {
			r.meter.Before = func(at load.Place) {
				if at.Offset == 0 {
					<-p.gate
				}
			}
		}
	case ProbeFlat:
		r.meter.After = p.sampleHeap
	}
	return p
}

func (p *probe) configure(c *sarama.Config) {
	if p.latency != nil {
		c.Consumer.Interceptors = []sarama.ConsumerInterceptor{p.latency}
	}
}

func (p *probe) wrap(src source.Source) source.Source {
	if p.latency == nil {
		return src
	}
	return &commitWatch{Source: src, probe: p}
}

// watch waits until all messages are in the window, weighs, and opens the gate.
func (p *probe) watch(ctx context.Context, pipe *burrow.Pipeline) {
	if p.gate == nil {
		return
	}
	go func() { // ends with the run
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for p.settled(pipe.Stats()) < int64(p.run.Load.Messages) {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
		p.weigh()
		close(p.gate)
	}()
}

// settled counts the messages that are where the probe wants them.
func (p *probe) settled(s burrow.Stats) int64 {
	if p.run.Probe == ProbeDone {
		return s.Processed + 1
	}
	return s.Received
}

// weigh notes what is alive on the heap and the stacks.
func (p *probe) weigh() {
	if p.gate == nil {
		return
	}
	runtime.GC()
	runtime.GC() // what the first one's finalizers kept
	p.note("heap", read("/memory/classes/heap/objects:bytes")+read("/memory/classes/heap/stacks:bytes"))
}

// HeapSamples is how often the heap is read on the way.
const HeapSamples = 10

// ExtraLive names what was alive after the i-th part of the messages, counted from 0.
func ExtraLive(i int) string { return fmt.Sprint("live", i) }

// sampleHeap notes what is alive on the heap after each tenth of partition 0.
func (p *probe) sampleHeap(at load.Place) {
	if step := int64(p.run.Load.Messages / p.run.Load.Partitions / HeapSamples); at.Partition == 0 && (at.Offset+1)%step == 0 {
		runtime.GC()
		p.note(ExtraLive(int((at.Offset+1)/step-1)), read("/gc/heap/live:bytes"))
	}
}

func (p *probe) note(name string, value float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.extra[name] = value
}

func (p *probe) figures() map[string]float64 {
	if p.latency != nil {
		p.latency.report(p.note)
	}
	return p.extra
}

func read(name string) float64 {
	s := []metrics.Sample{{Name: name}}
	metrics.Read(s)
	return float64(s[0].Value.Uint64())
}
