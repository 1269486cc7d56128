// Package load is what every arm gets alike: which messages lie in a topic, how
// long the work on each takes, and the meter that counts and times them.
package load

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
)

// Topic says what lies in a topic. The same value gives the same messages.
type Topic struct {
	Messages   int
	Partitions int
	// Keys is how many distinct keys there are; 0 gives each message its own.
	Keys int
	// Zipf makes key i about 1/(i+1) as frequent as the first; otherwise keys come in turn.
	Zipf bool
	// Bytes is the size of a value.
	Bytes int
}

// String tells topics apart.
func (t Topic) String() string {
	keys := "distinct"
	if t.Keys > 0 {
		keys = strconv.Itoa(t.Keys)
	}
	if t.Zipf {
		keys = "zipf" + keys
	}
	return fmt.Sprintf("m%d-p%d-k%s-b%d", t.Messages, t.Partitions, keys, t.Bytes)
}

// KeyIDs returns the number of the key of each message. A key's messages lie in
// partition id modulo Partitions, in this order.
func (t Topic) KeyIDs() []int32 {
	ids := make([]int32, t.Messages)
	if t.Zipf {
		draw := zipf(t.Keys)
		random := rand.New(rand.NewPCG(1, 2))
		for i := range ids {
			ids[i] = draw(random)
		}
		return ids
	}
	for i := range ids {
		ids[i] = int32(i)
		if t.Keys > 0 {
			ids[i] = int32(i % t.Keys)
		}
	}
	return ids
}

// zipf draws from n keys whose weights are 1, 1/2, 1/3, …
func zipf(n int) func(*rand.Rand) int32 {
	sums, sum := make([]float64, n), 0.0
	for i := range sums {
		sum += 1 / float64(i+1)
		sums[i] = sum
	}
	return func(r *rand.Rand) int32 {
		x, low, high := r.Float64()*sum, 0, n-1
		for low < high {
			if middle := (low + high) / 2; sums[middle] < x {
				low = middle + 1
			} else {
				high = middle
			}
		}
		return int32(low)
	}
}

// Partition returns where the messages of a key lie.
func (t Topic) Partition(keyID int32) int32 { return keyID % int32(t.Partitions) }

// Totals returns how many messages each partition has.
func (t Topic) Totals() []int64 {
	totals := make([]int64, t.Partitions)
	for _, id := range t.KeyIDs() {
		totals[t.Partition(id)]++
	}
	return totals
}

// Key returns the bytes of a key.
func Key(id int32) []byte { return fmt.Appendf(nil, "key-%07d", id) }

// Values returns a function that gives random values, a new view into the same
// random bytes each time.
func (t Topic) Values() func() []byte {
	const pool = 4 << 20
	random := rand.NewChaCha8([32]byte{1})
	bytes := make([]byte, pool+t.Bytes)
	_, _ = random.Read(bytes) // never fails
	at := 0
	return func() []byte {
		at = (at + 7919) % pool
		return bytes[at : at+t.Bytes]
	}
}

// Place is where a message lies.
type Place struct {
	Partition int32
	Offset    int64
}

// Places returns where each message lies.
func (t Topic) Places() []Place {
	next := make([]int64, t.Partitions)
	places := make([]Place, t.Messages)
	for i, id := range t.KeyIDs() {
		p := t.Partition(id)
		places[i] = Place{p, next[p]}
		next[p]++
	}
	return places
}

// Round returns 1, 2 or 5 times a power of ten near n, so that cases share topics.
func Round(n float64) int {
	power := math.Pow(10, math.Floor(math.Log10(max(n, 1))))
	for _, f := range []float64{1, 2, 5} {
		if n < 1.5*f*power {
			return int(f * power)
		}
	}
	return int(10 * power)
}

// inParallel runs f n times at once and waits.
func inParallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}
