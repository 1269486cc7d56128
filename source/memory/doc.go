// Package memory is a broker in memory for testing pipelines: topics, partitions,
// consumer groups, commits, rebalances and crashes, all under the test's control.
//
// A [Broker] holds the topics and what groups committed. [Broker.Source] makes a
// member of a group, which a pipeline takes where it would take a Kafka source:
//
//	broker := memory.NewBroker()
//	broker.CreateTopic("orders", 4)
//	broker.Produce("orders", stage.New([]byte("customer-7"), []byte(`{"total": 12}`)))
//	p, err := burrow.New().From(broker.Source("billing", []string{"orders"})). …
//
// Run the pipeline, wait with [Broker.WaitConsumed] until everything is committed,
// and look at what your handler did. Dead letters go to the same broker, which is a
// publisher too, and [Broker.Messages] shows them.
//
// # Trouble on demand
//
//   - a second [Broker.Source] of the same group shares the partitions by a
//     cooperative, sticky rebalance; [Broker.Rebalance], [Broker.Revoke] and
//     [Broker.Move] force one
//   - [Source.Crash] kills a member; a new Source restarts it from what was committed
//   - [Source.Lose] and [Source.Expire] make a zombie: somebody else owns the
//     partition and the old owner doesn't know
//   - [Broker.BeforeCommit], [Broker.AfterCommit] and [Broker.DelayCommits] refuse
//     commits, lose their answers or take their time
//   - [Broker.Skip] and [Broker.Trim] leave holes and remove messages
//
// [Broker.Commits] tells every commit that was tried and what became of it.
//
// # Virtual time
//
// Nothing here polls, and only a running [Source] has goroutines, which Run waits
// for. So a whole pipeline runs in a [testing/synctest] bubble, where synctest.Wait returns
// once everything that can happen has happened, and time passes at once. Make the
// broker inside the bubble.
//
// # How it differs from Kafka
//
// There is no fetching: a message can be received as soon as it is produced, and a
// paused claim delivers nothing more unless [WithPrefetch] says so. A crashed member is noticed
// at once. A member that overruns the rebalance timeout loses the partitions it
// still holds back, not its membership. Messages are kept until [Broker.Trim].
package memory
