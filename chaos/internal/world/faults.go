package world

import (
	"context"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/vlab-research/burrow/chaos/internal/judge"
)

// fault is one way to disturb the group. It returns when it has healed what it can.
type fault struct {
	name   string
	weight int
	first  bool // it comes first, because the round is about it
	strike func(ctx context.Context, r *round, rng *rand.Rand) error
}

// Kinds names what may befall a group, in rounds of all kinds.
func Kinds() (kinds []string) {
	all := &round{Plan: Plan{Static: true, Topic: Deleted}}
	for _, f := range append(all.processFaults(), all.clusterFaults()...) {
		if f.name != "storm" { // which is made of joins and leaves
			kinds = append(kinds, f.name)
		}
	}
	return append(kinds, "join", "rolling restart")
}

// hold waits for a drawn time between the two.
func hold(ctx context.Context, rng *rand.Rand, from, to time.Duration) {
	_ = pause(ctx, between(rng, from, to)) // healing goes on when the time is up
}

func between(rng *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(rng.Int64N(int64(to-from)))
}

// processFaults befall the workers.
func (r *round) processFaults() []fault {
	faults := []fault{
		{"kill -9", 4, false, killWorker},
		{"zombie", 4, false, freezeWorker},
		{"pause", 2, false, pauseWorker},
		{"leave", 2, false, leaveGroup},
		{"storm", 2, false, storm},
	}
	if r.Static {
		faults = append(faults, fault{"replaced zombie", 3, true, replaceWorker})
	}
	return faults
}

func killWorker(ctx context.Context, r *round, rng *rand.Rand) error {
	p := r.fleet.pick(rng)
	if p == nil {
		return r.fleet.fill()
	}
	r.disturb("kill -9", p.number)
	p.kill()
	hold(ctx, rng, 0, time.Second)
	return r.fleet.fill()
}

// freezeWorker stops a worker until the group has given it up, and then lets it go on.
func freezeWorker(ctx context.Context, r *round, rng *rand.Rand) error {
	return stopFor(ctx, r, rng, "zombie", 2*session, 3*session)
}

// pauseWorker stops a worker for less than its session.
func pauseWorker(ctx context.Context, r *round, rng *rand.Rand) error {
	return stopFor(ctx, r, rng, "pause", session/10, session/2)
}

func stopFor(ctx context.Context, r *round, rng *rand.Rand, kind string, from, to time.Duration) error {
	p := r.fleet.pick(rng)
	d := between(rng, from, to)
	if p == nil {
		return nil
	}
	r.disturb(kind, p.number)
	defer r.freeze(p)()
	_ = pause(ctx, d)
	return nil
}

// freeze stops a process until thaw is called.
func (r *round) freeze(p *process) (thaw func()) {
	p.frozen.Store(true)
	r.recorder.tell(func(j *judge.Judge, at int64) { j.Stopped(p.number, at) })
	p.signal(syscall.SIGSTOP)
	return func() {
		p.signal(syscall.SIGCONT)
		p.frozen.Store(false)
	}
}

func leaveGroup(ctx context.Context, r *round, rng *rand.Rand) error {
	p := r.fleet.pick(rng)
	if p != nil {
		r.disturb("leave", p.number)
		r.leaves.Go(func() { r.leave(p) })
	}
	hold(ctx, rng, 0, 2*time.Second)
	return r.fleet.fill()
}

// storm has members join and leave every half second or so.
func storm(ctx context.Context, r *round, rng *rand.Rand) error {
	for range 6 {
		if rng.IntN(2) == 0 && r.fleet.size() < maxMembers || r.fleet.size() < 2 {
			if _, err := r.fleet.join(); err != nil {
				return err
			}
		} else if p := r.fleet.pick(rng); p != nil {
			r.disturb("leave", p.number)
			r.leaves.Go(func() { r.leave(p) })
		}
		hold(ctx, rng, 300*time.Millisecond, time.Second)
	}
	return r.fleet.fill()
}

// clusterFaults befall the brokers and the lines to them.
func (r *round) clusterFaults() []fault {
	faults := []fault{
		{"broker kill -9", 3, false, killBroker},
		{"leaders move", 2, false, moveLeaders},
		{"coordinator moves", 2, false, moveCoordinator},
		{"cut", 2, false, cutOne},
		{"cut all", 1, false, cutAll},
		{"partitions added", 1, false, addPartitions},
	}
	if r.Topic == Deleted {
		faults = append(faults, fault{"messages deleted", 8, true, deleteMessages})
	}
	for _, t := range toxics() {
		faults = append(faults, t.fault())
	}
	return faults
}

func killBroker(ctx context.Context, r *round, rng *rand.Rand) error {
	i := rng.IntN(brokers)
	if rng.IntN(2) == 0 {
		i = r.cluster.coordinator(ctx, r.group)
	}
	r.disturb("broker kill -9", judge.Everyone)
	r.cluster.kafka.Kill(i)
	hold(ctx, rng, 2*time.Second, 6*time.Second)
	back, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	return r.cluster.restart(back, i)
}

func moveLeaders(ctx context.Context, r *round, rng *rand.Rand) error {
	r.disturb("leaders move", judge.Everyone)
	err := r.cluster.lead(ctx, r.name)
	hold(ctx, rng, time.Second, 2*time.Second)
	return unless(ctx, err)
}

func moveCoordinator(ctx context.Context, r *round, rng *rand.Rand) error {
	r.disturb("coordinator moves", judge.Everyone)
	err := r.cluster.lead(ctx, "__consumer_offsets")
	hold(ctx, rng, time.Second, 2*time.Second)
	return unless(ctx, err)
}

func addPartitions(ctx context.Context, r *round, rng *rand.Rand) error {
	if r.producer.partitions.Load() > partitions {
		return nil // once is enough
	}
	r.disturb("partitions added", judge.Everyone)
	if _, err := r.cluster.admin.CreatePartitions(ctx, 2, r.name); err != nil {
		return unless(ctx, err)
	}
	hold(ctx, rng, time.Second, 2*time.Second)
	r.producer.partitions.Add(2)
	return nil
}

func cutOne(ctx context.Context, r *round, rng *rand.Rand) error {
	r.disturb("cut", judge.Everyone)
	p := r.cluster.proxies[rng.IntN(brokers)]
	p.stop()
	hold(ctx, rng, 500*time.Millisecond, 8*time.Second)
	return p.start()
}

func cutAll(ctx context.Context, r *round, rng *rand.Rand) error {
	r.disturb("cut all", judge.Everyone)
	for _, p := range r.cluster.proxies {
		p.stop()
	}
	hold(ctx, rng, 500*time.Millisecond, 5*time.Second)
	for _, p := range r.cluster.proxies {
		if err := p.start(); err != nil {
			return err
		}
	}
	return nil
}

// unless drops an error that only says that the time is up.
func unless(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
