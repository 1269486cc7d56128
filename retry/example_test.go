package retry_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/vlab-research/burrow/retry"
)

func ExampleExponential() {
	strategy := retry.Exponential{Base: 100 * time.Millisecond, Max: time.Second}
	for attempt := range 5 {
		fmt.Print(strategy.NextDelay(attempt), " ")
	}
	// Output: 100ms 200ms 400ms 800ms 1s
}

func ExampleLinear() {
	strategy := retry.Linear{Step: time.Second, Max: 3 * time.Second}
	for attempt := range 4 {
		fmt.Print(strategy.NextDelay(attempt), " ")
	}
	// Output: 1s 2s 3s 3s
}

func ExampleJittered() {
	strategy := retry.Jittered{Strategy: retry.Exponential{Base: time.Second}, Fraction: 0.2}
	delay := strategy.NextDelay(0)
	fmt.Println(delay >= 800*time.Millisecond, delay <= 1200*time.Millisecond)
	// Output: true true
}

func ExampleFromBackOff() {
	strategy := retry.FromBackOff(func() backoff.BackOff {
		return backoff.WithMaxRetries(backoff.NewConstantBackOff(time.Second), 2)
	})
	for attempt := range 3 {
		fmt.Println(strategy.NextDelay(attempt), strategy.NextDelay(attempt) == retry.Stop)
	}
	// Output:
	// 1s false
	// 1s false
	// -1ns true
}

func ExamplePermanent() {
	err := fmt.Errorf("charge: %w", retry.Permanent(errors.New("card stolen")))
	fmt.Println(err, retry.IsRetryable(err))
	// Output: charge: card stolen false
}
