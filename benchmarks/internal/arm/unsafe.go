package arm

import (
	"context"
	"sync"

	"github.com/IBM/sarama"
)

// consumeSpawning has a goroutine for each message, at most Workers at once, that
// marks it when it is handled: a crash loses the unfinished ones before it.
func consumeSpawning(ctx context.Context, r *run) error {
	permits := make(chan struct{}, r.Workers)
	return r.consumeClaims(ctx, func(session sarama.ConsumerGroupSession, messages <-chan *sarama.ConsumerMessage) {
		var wg sync.WaitGroup
		for m := range messages {
			permits <- struct{}{}
			wg.Go(func() {
				r.meter.Do(placeOf(m))
				session.MarkMessage(m, "")
				<-permits
			})
		}
		wg.Wait()
	})
}

// consumePooled has workers that last and share one channel of jobs, as unsafe as
// consumeSpawning.
func consumePooled(ctx context.Context, r *run) error {
	type job struct {
		session sarama.ConsumerGroupSession
		message *sarama.ConsumerMessage
		wg      *sync.WaitGroup
	}
	jobs := make(chan job, r.Workers)
	var workers sync.WaitGroup
	for range r.Workers {
		workers.Go(func() {
			for j := range jobs {
				r.meter.Do(placeOf(j.message))
				j.session.MarkMessage(j.message, "")
				j.wg.Done()
			}
		})
	}
	defer workers.Wait()
	defer close(jobs)
	return r.consumeClaims(ctx, func(session sarama.ConsumerGroupSession, messages <-chan *sarama.ConsumerMessage) {
		var wg sync.WaitGroup
		for m := range messages {
			wg.Add(1)
			jobs <- job{session, m, &wg}
		}
		wg.Wait()
	})
}
