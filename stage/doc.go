// Package stage says what a message is and what handles it.
//
// A [Stage] does one step of the work on a [Message]; a [Middleware] wraps a
// stage with behaviour that is not the work itself. Stages run one after the
// other, each on the message that the one before it returned:
//
//	stage.Decode(decodeOrder)        // bytes to an Order, which travels beside the bytes
//	stage.Validate(Order.Check)      // an error here is permanent: trying again cannot help
//	stage.Filter(Order.IsOpen)       // the others are skipped: resolved without more work
//	stage.Handle(save)               // the slow part
//
// A stage ends the work on a message by returning an error. [Skip] is the one
// error that means success: the message is resolved and later stages don't run.
//
// The package is a leaf. It knows nothing of offsets, commits, retries or Kafka,
// so stages and middleware can be tested by calling Process.
package stage
