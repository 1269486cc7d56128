package retry

import (
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Policy is a policy of github.com/cenkalti/backoff/v4 used as a [BackoffStrategy].
// Make one with [FromBackOff].
type Policy struct{ newBackOff func() backoff.BackOff }

// FromBackOff makes a strategy of any cenkalti policy. Such a policy has a state
// (how long it waited last, since when), so it is given as a function that makes a
// new one: each message gets one of its own, by [Sequence], and so the policy's own
// limits, as MaxElapsedTime, count from that message's first failure.
//
// The function is called on many goroutines at once and must not return nil.
func FromBackOff(newBackOff func() backoff.BackOff) Policy { return Policy{newBackOff} }

// NextDelay returns the wait that a new policy gives at its attempt+1st step. It
// steps there anew at each call; [Sequence] doesn't.
func (p Policy) NextDelay(attempt int) time.Duration {
	policy := Sequence(p)
	for range attempt {
		if policy.NextBackOff() < 0 {
			return Stop
		}
	}
	return policy.NextBackOff()
}

func (p Policy) backOff() backoff.BackOff {
	if p.newBackOff == nil {
		return &backoff.StopBackOff{}
	}
	policy := p.newBackOff()
	if policy == nil {
		return &backoff.StopBackOff{}
	}
	policy.Reset()
	return policy
}

// Sequence returns the strategy's waits for one message, in order, as a cenkalti
// policy: what cenkalti's loops take. It is not safe for concurrent use.
func Sequence(strategy BackoffStrategy) backoff.BackOff {
	if policy, ok := strategy.(Policy); ok {
		return policy.backOff()
	}
	return &sequence{strategy: strategy}
}

type sequence struct {
	strategy BackoffStrategy
	attempt  int
}

func (s *sequence) NextBackOff() time.Duration {
	delay := s.strategy.NextDelay(s.attempt)
	s.attempt++
	if delay < 0 {
		return backoff.Stop
	}
	return delay
}

func (s *sequence) Reset() { s.attempt = 0 }

// Validate returns what is wrong with a strategy of this package: a negative wait,
// a fraction outside 0 to 1, a [FromBackOff] without a policy. Nil is wrong; any
// other strategy is right.
func Validate(strategy BackoffStrategy) error {
	switch s := strategy.(type) {
	case nil:
		return errors.New("retry: the strategy is nil; use retry.Exponential{}")
	case Exponential:
		return errors.Join(notNegative("Exponential.Base", s.Base), notNegative("Exponential.Max", s.Max))
	case Linear:
		return errors.Join(notNegative("Linear.Step", s.Step), notNegative("Linear.Max", s.Max))
	case Jittered:
		if !(s.Fraction >= 0 && s.Fraction <= 1) {
			return errors.Join(fmt.Errorf("retry: Jittered.Fraction is %v; it must be from 0 to 1", s.Fraction), Validate(s.strategy()))
		}
		return Validate(s.strategy())
	case Policy:
		if s.newBackOff == nil || s.newBackOff() == nil {
			return errors.New("retry: FromBackOff got no policy; give a function that makes one")
		}
	}
	return nil
}

func notNegative(name string, d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("retry: %s is %v; it must not be negative", name, d)
	}
	return nil
}
