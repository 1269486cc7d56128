// Package pipeline is the engine: it takes messages from a source, runs the stages
// on many of them at once, and commits what is safe.
//
// Users build a [Pipeline] with package burrow. What happens to a message:
//
//   - A claim's reader receives it, admits it to the claim's window
//     ([offsets.Tracker]) and finds its lane, by the [Ordering]. If nothing runs in the lane
//     it goes to the pool, else behind the others of its lane.
//   - The pool gives it a permit, of which there are as many as workers, shared
//     fairly between claims. While the stages turn out to take next to no time, the reader runs them itself.
//   - A middleware that has to wait parks it: the permit goes to another message.
//   - The result is judged by computeAction: resolved, failed, or abandoned because the claim drains.
//   - The committer snapshots the windows on an interval, when enough has settled, and at each drain, and
//     makes one request for all. A window moves on only when the broker has acknowledged.
//
// A claim lasts for one tenure of its partition. It drains when it is revoked or
// the pipeline stops: nothing new starts, what is in flight may finish until the
// drain timeout, the prefix is committed, and from then on no result of that tenure counts.
package pipeline
