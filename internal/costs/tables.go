package main

// table is a part of the page that benchmarks fill.
type table struct {
	name string // of its markers
	head []string
	rows []row
}

// row is one benchmark.
type row struct {
	what, pkg, bench string
	per              float64  // messages an operation; 0 is one
	units            []string // of what is shown; the unit ns/msg is per message already, whatever per is
}

const (
	nsOp  = "ns/op"
	nsMsg = "ns/msg"
	objs  = "allocs/op"
	bytes = "B/op"
)

func tables() []table {
	perOp, perMsg := []string{nsOp, objs}, []string{nsMsg, objs}
	return []table{
		{"path", []string{"step", "ns", "allocations"}, []row{
			{"from Sarama's channel, with the feeder's side", "./source/kafka", "Receive", 0, perOp},
			{"into the window and resolved, with a commit's snapshot for each thousand", "./offsets", "Message/window/order/10000", 10_000, perMsg},
			{"the same, resolved at random", "./offsets", "Message/window/random/10000", 10_000, perMsg},
			{"the same, admitted on one core and resolved on another", "./offsets", "MessageShared/window/1", 100, perMsg},
			{"the whole engine, no work, unordered: all of the above but Sarama", "./pipeline", "QuickUnordered", 0, perOp},
			{"the same by key", "./pipeline", "QuickByKey", 0, perOp},
			{"the same by partition", "./pipeline", "QuickByPartition", 0, perOp},
			{"the whole engine, given to one of 100 workers, which waits once", "./pipeline", "HandedToWorkers/unordered/100", 100, perMsg},
			{"the same by key", "./pipeline", "HandedToWorkers/by_key/100", 100, perMsg},
			{"the whole engine, queued behind its key, of 100", "./pipeline", "QueuedBehindKeys/100", 10_000, perMsg},
			{"the whole engine, queued behind the one key that there is", "./pipeline", "QueuedBehindKeys/1", 10_000, perMsg},
			{"ten middlewares that only pass on", "./stage", "Chain/10", 0, perOp},
			{"decoding a number and handling it", "./stage", "Typed/decoded", 0, perOp},
			{"a snapshot for a commit, 100 000 messages, every second resolved", "./offsets", "Snapshot/every_second_is/100000", 0, perOp},
		}},
		{"middleware", []string{"around a message that succeeds", "ns", "allocations", "bytes"}, middlewares()},
		{"workers", []string{"in flight", "ns a message, unordered"}, grown("./pipeline", "HandedToWorkers/unordered/", "10", "100", "1000", "10000")},
		{"keys", []string{"busy keys", "ns a message"}, grown("./pipeline", "QueuedBehindKeys/", "1", "10", "100", "1000")},
		{"window", []string{"in flight, resolved at random", "ns a message"}, grown("./offsets", "Message/window/random/", "1000", "10000", "100000")},
		{"snapshot", []string{"messages behind a gap", "ns a snapshot"}, snapshots()},
		{"memory", []string{"messages", "bytes each, beyond the message", "MB of the process"}, memory()},
	}
}

func middlewares() (all []row) {
	for _, name := range []string{
		"none", "Recover", "Retry", "DeadLetter", "Timeout", "Logging", "Metrics", "Tracing without a provider", "Tracing every message",
		"RateLimit", "Bulkhead", "Breaker", "Idempotency", "ten of them",
	} {
		all = append(all, row{name, "./middleware", "Success/" + underscored(name), 0, []string{nsOp, objs, bytes}})
	}
	return all
}

func grown(pkg, bench string, sizes ...string) (all []row) {
	for _, size := range sizes {
		all = append(all, row{size, pkg, bench + size, 0, []string{nsMsg}})
	}
	return all
}

func snapshots() (all []row) {
	for _, size := range []string{"10", "1000", "100000"} {
		all = append(all, row{size, "./offsets", "Snapshot/the_first_is/" + size, 0, []string{nsOp}})
	}
	return all
}

func memory() (all []row) {
	for _, name := range []string{"queued behind their key", "finished behind the first", "10 000 in flight with 10 000 workers"} {
		all = append(all, row{name, "./pipeline", "Memory/" + underscored(name), 0, []string{"B/msg", "MB"}})
	}
	return all
}
