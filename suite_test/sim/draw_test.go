package sim_test

import (
	"hash/fnv"
	"math"
	"time"
)

// dice gives every random decision of a seed by a key of its own: what is decided, and for
// what. There is no stream whose order could change, so two goroutines that swap
// their order change nothing else.
type dice uint64

// roll is one decision.
type roll uint64

func (d dice) roll(purpose string, keys ...int64) roll {
	h := fnv.New64a()
	h.Write([]byte(purpose))
	x := mix(uint64(d) ^ h.Sum64())
	for _, k := range keys {
		x = mix(x ^ mix(uint64(k)))
	}
	return roll(x)
}

// mix is the finaliser of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// unit returns a number from 0 to 1, without 1.
func (r roll) unit() float64 { return float64(mix(uint64(r))>>11) / (1 << 53) }

func (r roll) chance(p float64) bool { return r.unit() < p }

// between returns a number from low to high.
func (r roll) between(low, high int) int { return low + int(r.unit()*float64(high-low+1)) }

// span returns a duration from low to high, as likely short as long by order of magnitude.
func (r roll) span(low, high time.Duration) time.Duration {
	ratio := float64(high) / float64(low)
	return time.Duration(float64(low) * math.Pow(ratio, r.unit()))
}

func oneOf[T any](r roll, choices ...T) T { return choices[r.between(0, len(choices)-1)] }
