package arm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"time"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/benchmarks/internal/load"
)

// run is a running arm.
type run struct {
	Job
	meter *load.Meter
	probe *probe
}

// Arm is one way to consume.
type Arm struct {
	Name string
	// Lanes are what its ordering keeps apart, so which ideal it is held against.
	Lanes load.Lanes
	// Unsafe arms may commit past unfinished work.
	Unsafe bool
	// Java is true for what runs in a JVM, which package parallel does.
	Java bool
	// consume runs until ctx ends and commits what it handled.
	consume func(ctx context.Context, r *run) error
	// keep measures a way to know what may be committed, for arms that do only that.
	keep func(note func(string, float64))
}

// The names of the arms.
const (
	Ideal             = "ideal"
	IdealKey          = "ideal by key"
	IdealPartition    = "ideal by partition"
	IdealHeaviest     = "ideal, heaviest key"
	Sarama            = "sarama loop"
	Franz             = "franz-go loop"
	Spawn             = "goroutine per message"
	Pool              = "lasting workers"
	Least             = "least on sarama"
	Watermill         = "watermill"
	BurrowUnordered   = "burrow unordered"
	BurrowKey         = "burrow by key"
	BurrowPartition   = "burrow by partition"
	ParallelUnordered = "Parallel Consumer unordered"
	ParallelKey       = "Parallel Consumer by key"
	ParallelPartition = "Parallel Consumer by partition"
	Holding           = "sarama loop that keeps all"
	KeepWindow        = "burrow's window"
	KeepPlain         = "ring and mutex, no more"
	KeepMap           = "map and mutex"
	KeepUncapped      = "checkpoint, uncapped"
	KeepCapped        = "checkpoint, capped"
)

// All returns the arms by name.
func All() map[string]Arm {
	arms := make(map[string]Arm)
	for _, a := range append(keepers(), []Arm{
		{Name: Ideal},
		{Name: IdealKey, Lanes: load.KeyLanes},
		{Name: IdealPartition, Lanes: load.PartitionLanes},
		{Name: IdealHeaviest, Lanes: load.HeaviestKey},
		{Name: Sarama, Lanes: load.PartitionLanes, consume: consumeSarama},
		{Name: Franz, Lanes: load.PartitionLanes, consume: consumeFranz},
		{Name: Spawn, Unsafe: true, consume: consumeSpawning},
		{Name: Pool, Unsafe: true, consume: consumePooled},
		{Name: Least, Unsafe: true, consume: consumeLeast},
		{Name: Watermill, Lanes: load.PartitionLanes, consume: consumeWatermill},
		{Name: BurrowUnordered, consume: consumeBurrow(burrow.Unordered)},
		{Name: BurrowKey, Lanes: load.KeyLanes, consume: consumeBurrow(burrow.ByKey)},
		{Name: BurrowPartition, Lanes: load.PartitionLanes, consume: consumeBurrow(burrow.ByPartition)},
		{Name: ParallelUnordered, Java: true},
		{Name: ParallelKey, Lanes: load.KeyLanes, Java: true},
		{Name: ParallelPartition, Lanes: load.PartitionLanes, Java: true},
		{Name: Holding, consume: consumeHolding},
	}...) {
		arms[a.Name] = a
	}
	return arms
}

// IsIdeal tells whether the arm needs no Kafka.
func (a Arm) IsIdeal() bool { return a.consume == nil && a.keep == nil && !a.Java }

// NeedsKafka tells whether it consumes.
func (a Arm) NeedsKafka() bool { return a.consume != nil || a.Java }

// startTimeout is how long an arm may take to get its first message.
const startTimeout = 60 * time.Second

// Run does the job in this process.
func Run(job Job) Result {
	a, ok := All()[job.Arm]
	if !ok || a.Java {
		return Result{Error: fmt.Sprintf("no arm %q", job.Arm)}
	}
	if a.keep != nil {
		return a.measureKeeper()
	}
	clock, err := load.NewClock()
	if err != nil {
		return Result{Error: err.Error()}
	}
	defer func() { _ = clock.Close() }()
	if a.IsIdeal() {
		return Result{Figures: load.Ideal(job.Load, job.Work, job.Workers, a.Lanes, clock.Sleep), RSS: load.MaxRSS()}
	}
	r := &run{Job: job, meter: load.NewMeter(job.Work, job.Load.Totals(), clock.Sleep)}
	r.probe = newProbe(r)
	stop, err := profile(job.Profile)
	if err != nil {
		return Result{Error: err.Error()}
	}
	defer stop()
	figures, err := r.measure(a)
	result := Result{Figures: figures, RSS: load.MaxRSS(), Extra: r.probe.figures()}
	if err == nil && !figures.Cut {
		err = r.meter.Check()
	}
	if err != nil {
		result.Error = err.Error()
	}
	return result
}

// measure runs the arm until all is handled or the time is up, and then lets it end.
func (r *run) measure(a Arm) (load.Figures, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- a.consume(ctx, r) }()
	err := r.await(ended)
	figures := r.meter.Figures()
	if err != nil {
		return figures, err
	}
	cancel()
	select {
	case err := <-ended:
		return figures, err
	case <-time.After(startTimeout):
		return figures, errors.New("the arm doesn't end")
	}
}

func (r *run) await(ended <-chan error) error {
	select {
	case <-r.meter.Started():
	case err := <-ended:
		return fmt.Errorf("ended before it began: %w", err)
	case <-time.After(startTimeout):
		return errors.New("got no message")
	}
	limit := time.NewTimer(r.Limit)
	defer limit.Stop()
	select {
	case <-r.meter.Done():
	case <-limit.C:
	case err := <-ended:
		return fmt.Errorf("ended too soon: %w", err)
	}
	return nil
}

// profile starts a CPU profile if path names a file for it.
func profile(path string) (stop func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		_ = file.Close()
	}, nil
}
