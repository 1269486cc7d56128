package kraft

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports are chosen below the range from which systems take them for outgoing
// connections, or a client could sit on a stopped broker's port when it restarts.
const (
	lowestPort  = 15_000
	highestPort = 32_000
	portTries   = 1000
)

// freePorts returns n ports that nobody listens on. Somebody else may still bind
// one before Kafka does.
func freePorts(n int) ([]int, error) {
	var ports []int
	var held []net.Listener
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	for range portTries {
		if len(ports) == n {
			return ports, nil
		}
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		if l, err := net.Listen("tcp", address(port)); err == nil { //nolint:noctx // binding the loopback does not block
			held = append(held, l)
			ports = append(ports, port)
		}
	}
	return nil, fmt.Errorf("kraft: found no %d free ports between %d and %d", n, lowestPort, highestPort)
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
