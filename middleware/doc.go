// Package middleware holds what surrounds the work on a message: retries, dead
// letters, timeouts, panics, traces, metrics, logs, rate limits, circuit breakers,
// bulkheads, idempotency.
//
// The first middleware is the outermost. An order that works:
//
//	Logging, Tracing, Metrics,     // see every message once, with its last error
//	DeadLetter,                    // takes what the retries gave up on
//	RateLimit, Retry,              // waits and tries again, without a worker
//	Breaker, Bulkhead, Timeout,    // around each single try
//	Recover                        // makes panics errors that the others can see
//
// Waits go through [stage.Parking]: inside a pipeline a waiting message holds no
// worker, and the wait ends when its partition is released. Outside a pipeline
// they are plain waits, so each middleware can be tested by calling Process.
//
// Constructors never panic. The stage that a middleware makes has the methods
//
//	MiddlewareName() string   // one of the Name constants
//	MiddlewareError() error   // what is wrong with its arguments, or nil
//	Unwrap() stage.Stage      // what it wraps
//
// and Process of a middleware with wrong arguments returns that error.
//
// All middleware is safe for concurrent use. What one counts or limits (dead
// letters in a row, tokens, a breaker's state) belongs to the value that the
// constructor returned: stages wrapped by the same value share it.
package middleware
