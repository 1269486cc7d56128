// Package kafka reads from and writes to Apache Kafka, through IBM/sarama.
//
// [NewSource] makes a [source.Source], one member of a consumer group, and
// [NewProducer] what publishes to topics: dead letters, and what a [Produce] stage
// is given.
//
//	src, err := kafka.NewSource([]string{"localhost:9092"}, "billing", []string{"orders"})
//
// # What it decides
//
//   - Partitions are balanced cooperatively (cooperative-sticky): those that don't
//     move are never interrupted. Eager strategies work too, see [WithSarama].
//   - A partition without a commit starts at its oldest message. The start is
//     committed before the first message is delivered, so that a rebalance before
//     the first commit loses nothing.
//   - A position that the log doesn't hold any more, because its messages expired or
//     the log was truncated, restarts from the oldest message, also with
//     [WithStartNewest]. What was skipped is logged as an error. With
//     Consumer.Group.ResetInvalidOffsets off, Run ends instead.
//   - A topic that is deleted and created again is read from its oldest message. Commits
//     carry the topic's id as their metadata, so that an offset of the old one is
//     recognised; a change shows within half a minute, and what was processed of the new
//     one until then comes again. This needs brokers from 2.8 on.
//   - Topics are never created. One that doesn't exist when Run starts is an error; one
//     that is deleted later is logged and shown by Health while the others go on.
//   - Offsets are committed by requests over a connection of their own. Nothing is
//     ever marked in sarama, and its auto-commit is off.
//   - Memory beyond the engine's windows is what one fetch brings: Consumer.Fetch.Default
//     (1 MiB) for each partition.
//
// # Connections
//
// A source has three clients: the group's, which fetches, one for commits, and one
// that asks for metadata. Sarama's calls take no context, so each that may block
// runs on a goroutine that Run waits for, and is ended by cutting its connections.
// Credentials never appear in errors or log lines; broker addresses do.
package kafka
