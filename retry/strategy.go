package retry

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v4"
)

const (
	// DefaultBase is the first wait of an [Exponential] and the step of a [Linear]
	// that don't name one.
	DefaultBase = 100 * time.Millisecond
	// DefaultMax is the longest wait of an [Exponential] or a [Linear] that doesn't name one.
	DefaultMax = 30 * time.Second
	// DefaultFraction is the spread of a [Jittered] that doesn't name one.
	DefaultFraction = 0.5
	// Stop is returned by a strategy that gives up; any negative wait means the same.
	Stop = backoff.Stop
)

// BackoffStrategy gives the wait before each retry.
type BackoffStrategy interface {
	// NextDelay returns how long to wait before a retry: attempt 0 is the first
	// retry, which follows the first failure. A negative wait ([Stop]) gives up.
	//
	// It keeps no state, so one value serves all messages, on many goroutines at once.
	NextDelay(attempt int) time.Duration
}

// Exponential waits Base, then twice that, and so on up to Max.
type Exponential struct {
	// Base is the first wait. 0 means [DefaultBase].
	Base time.Duration
	// Max is the longest wait. 0 means [DefaultMax].
	Max time.Duration
}

// NextDelay returns Base·2^attempt, at most Max.
func (e Exponential) NextDelay(attempt int) time.Duration {
	delay, limit := orDefault(e.Base, DefaultBase), orDefault(e.Max, DefaultMax)
	for range attempt {
		if delay > limit/2 {
			return limit
		}
		delay *= 2
	}
	return min(delay, limit)
}

// Linear waits Step, then twice Step, three times Step and so on up to Max.
type Linear struct {
	// Step is the first wait and what each further one adds. 0 means [DefaultBase].
	Step time.Duration
	// Max is the longest wait. 0 means [DefaultMax].
	Max time.Duration
}

// NextDelay returns Step·(attempt+1), at most Max.
func (l Linear) NextDelay(attempt int) time.Duration {
	step, limit := orDefault(l.Step, DefaultBase), orDefault(l.Max, DefaultMax)
	times := max(attempt, 0) + 1
	if times <= 0 || step > limit/time.Duration(times) {
		return limit
	}
	return step * time.Duration(times)
}

// Jittered spreads the waits of another strategy evenly by chance, so that
// messages which failed together don't come back together.
type Jittered struct {
	// Strategy is whose waits are spread. Nil means Exponential{}.
	Strategy BackoffStrategy
	// Fraction is how far a wait d may be off: it lies in d·(1±Fraction), and so can
	// exceed the strategy's Max. It is from 0 to 1; 0 means [DefaultFraction].
	Fraction float64
}

// NextDelay returns the strategy's wait, spread. It is random and, like the
// others, without state.
func (j Jittered) NextDelay(attempt int) time.Duration {
	delay := j.strategy().NextDelay(attempt)
	if delay <= 0 {
		return delay
	}
	fraction := min(j.Fraction, 1)
	if !(fraction > 0) {
		fraction = DefaultFraction
	}
	spread := float64(delay) * (1 + fraction*(2*rand.Float64()-1))
	if spread >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(spread)
}

func (j Jittered) strategy() BackoffStrategy {
	if j.Strategy == nil {
		return Exponential{}
	}
	return j.Strategy
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}
