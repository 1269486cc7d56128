// Package kraft runs a real Apache Kafka for tests, without Docker: one or three
// brokers in KRaft mode, from Maven artifacts, on free ports of the loopback.
//
// The first start fetches 54 MB with Maven into a cache folder; later ones take
// about four seconds and need only Java 17:
//
//	cluster, err := kraft.Start(ctx, kraft.Options{Brokers: 3})
//	defer cluster.Close()
//	cluster.Kill(0)         // kill -9
//	cluster.Restart(ctx, 0) // same ports, same data
//
// On Linux the brokers end with the process that started them, however it ends.
// Elsewhere a killed test leaves them running.
package kraft
