package middleware

import (
	"context"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/vlab-research/burrow/stage"
)

// RateLimit lets limit messages a second pass, and up to burst at once. The others
// wait their turn parked, without a worker; one that is taken away gives its turn back.
// rate.Inf doesn't limit.
func RateLimit(limit rate.Limit, burst int) stage.Middleware {
	limiter := rate.NewLimiter(limit, burst)
	return limiting(func(stage.Message) *rate.Limiter { return limiter }, checkRate(limit, burst))
}

// RateLimitBy is [RateLimit] for each key that the function gives a message: a
// tenant, a customer, string(msg.Key()). It remembers the limiters of so many
// keys; one that was forgotten, least recently used first, starts with a full burst again.
func RateLimitBy(limit rate.Limit, burst, keys int, keyFunc func(stage.Message) string) stage.Middleware {
	limiters, err := lru.New[string, *rate.Limiter](max(keys, 1))
	limiterFunc := func(msg stage.Message) *rate.Limiter {
		key := keyFunc(msg)
		if limiter, ok := limiters.Get(key); ok {
			return limiter
		}
		limiter := rate.NewLimiter(limit, burst)
		if earlier, ok, _ := limiters.PeekOrAdd(key, limiter); ok {
			return earlier
		}
		return limiter
	}
	return limiting(limiterFunc, checkRate(limit, burst), err,
		require(keys > 0, "keys is %d; give how many limiters to remember, at least 1", keys),
		require(keyFunc != nil, "the function that gives the key is nil"))
}

func checkRate(limit rate.Limit, burst int) error {
	if !(limit > 0) {
		return require(false, "the limit is %v; it must be positive", limit)
	}
	return require(burst > 0, "burst is %d; give at least 1", burst)
}

func limiting(limiterFunc func(stage.Message) *rate.Limiter, errs ...error) stage.Middleware {
	return func(next stage.Stage) stage.Stage {
		return wrap(NameRateLimit, next, func(ctx context.Context, msg stage.Message) (stage.Message, error) {
			turn := limiterFunc(msg).Reserve()
			if wait := turn.Delay(); wait > 0 {
				if err := (stage.Parking{For: wait, Reason: "ratelimit"}).Wait(ctx); err != nil {
					turn.Cancel()
					return nil, err
				}
			}
			return next.Process(ctx, msg)
		}, errs...)
	}
}
