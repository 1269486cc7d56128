// Package kafkatest gives tests a Kafka: an embedded one, a real one of their own,
// or one that runs already. The environment variable BURROW_TEST_KAFKA chooses:
//
//	unset            kfake in the test's process, a new one for each call of Brokers
//	local            Apache Kafka in KRaft mode, one broker per test process (package kraft)
//	host:port,…      these brokers
//
// A package whose tests use it has
//
//	func TestMain(m *testing.M) { os.Exit(kafkatest.Run(m)) }
//
// or, with goleak,
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(kafkatest.Main(m)) }
//
// Names of topics and groups are unique, so tests can run in parallel, and again,
// on the same brokers.
package kafkatest
