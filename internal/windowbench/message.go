package windowbench

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
)

// Orders returns the orders in which messages in flight may finish.
func Orders() []string { return []string{"order", "reverse", "random"} }

// Sizes returns how many messages may be in flight.
func Sizes() []int { return []int{1_000, 10_000, 100_000} }

// finishing returns the order in which n messages in flight finish.
func finishing(order string, n int) []int {
	if order == "random" {
		return rand.New(rand.NewPCG(1, 2)).Perm(n)
	}
	places := make([]int, n)
	for i := range places {
		places[i] = i
		if order == "reverse" {
			places[i] = n - 1 - i
		}
	}
	return places
}

// Messages times messages in every order and size.
func Messages[T any](b *testing.B, newKeeper func() Keeper[T]) {
	b.Helper()
	for _, order := range Orders() {
		for _, n := range Sizes() {
			b.Run(order+"/"+strconv.Itoa(n), func(b *testing.B) { InFlight(b, newKeeper(), order, n) })
		}
	}
}

// InFlight admits n messages and then resolves them in the order, again and again. It
// reports the time of a message as ns/msg.
func InFlight[T any](b *testing.B, keeper Keeper[T], order string, n int) {
	b.Helper()
	b.ReportAllocs()
	places, handles, next := finishing(order, n), make([]T, n), int64(0)
	pass := func() {
		for i := range handles {
			handles[i] = keeper.Admit(next)
			next++
		}
		for _, i := range places {
			keeper.Resolve(handles[i])
		}
	}
	pass() // to the working size
	b.ResetTimer()
	for b.Loop() {
		pass()
	}
	perMessage(b, n)
}

// sharedBatch is how many messages change goroutine at once.
const sharedBatch = 100

// Shared has one goroutine that admits and some that resolve, at most 10 000 in flight.
func Shared[T any](b *testing.B, keeper Keeper[T], workers int) {
	b.Helper()
	b.ReportAllocs()
	const inFlight, batch = 10_000, sharedBatch
	work, free := make(chan []T, inFlight/batch), make(chan []T, inFlight/batch)
	for range inFlight / batch {
		free <- make([]T, batch)
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for handles := range work {
				for _, handle := range handles {
					keeper.Resolve(handle)
				}
				free <- handles
			}
		})
	}
	next := int64(0)
	for b.Loop() {
		handles := <-free
		for i := range handles {
			handles[i] = keeper.Admit(next)
			next++
		}
		work <- handles
	}
	close(work)
	wg.Wait()
	perMessage(b, batch)
}

func perMessage(b *testing.B, n int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/msg")
}
