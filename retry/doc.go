// Package retry says when to try again, and whether that makes sense at all.
//
// A [BackoffStrategy] gives the waits between the tries: [Exponential], [Linear],
// either of them [Jittered], or any policy of github.com/cenkalti/backoff/v4 by
// [FromBackOff]. [Permanent] and [IsRetryable] classify errors.
//
// The package doesn't wait and doesn't loop. That is the business of
// middleware.Retry, which reports a message it gave up on as an [ExhaustedError].
package retry
