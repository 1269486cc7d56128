package kafka_test

import (
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/vlab-research/burrow/source/kafka"
)

// resolver dials for names that it may not know, and counts how often it is asked.
type resolver struct {
	asked atomic.Int64
	knows atomic.Bool
	addr  string
}

func (r *resolver) Dial(network, addr string) (net.Conn, error) {
	r.asked.Add(1)
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if net.ParseIP(host) == nil && !r.knows.Load() {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return net.Dial(network, r.addr)
}

func (r *resolver) install(c *sarama.Config) { c.Net.Proxy.Enable, c.Net.Proxy.Dialer = true, r }

func TestANameThatNobodyKnowsIsAClearErrorWithoutABusyLoop(t *testing.T) {
	t.Parallel()
	const patient = 5 * time.Second
	r := &resolver{}
	began := time.Now()
	src := newSource(t, []string{"kafka.invalid:9092"}, "orders", kafka.WithSarama(r.install), kafka.WithStartTimeout(patient))
	err := runAndFail(t, src)
	took := time.Since(began)
	if _, ok := errors.AsType[*net.DNSError](err); !ok && !contains(err, "no such host") || !contains(err, "kafka.invalid:9092") {
		t.Errorf("Run: %v, want one that names the broker and the cause", err)
	}
	// Sarama asks for each of three clients at the start, and then in the pauses of its metadata.
	if asked := r.asked.Load(); float64(asked) > 10+took.Seconds() {
		t.Errorf("%d attempts within %v", asked, took)
	}
	t.Logf("%d attempts within %v: %v", r.asked.Load(), took, err)
}

// Names that go away while it runs are asked for about once a second, until they are back.
func TestNamesThatGoAwayAreAskedForWithoutABusyLoop(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	fill(t, c.ListenAddrs(), "orders", 0, 0, 1)
	proxy := newProxy(t)
	var asked atomic.Int64
	counting := dialerFunc(func(network, addr string) (net.Conn, error) {
		asked.Add(1)
		return proxy.Dial(network, addr)
	})
	e := newEngine()
	src, err := kafka.NewSource(c.ListenAddrs(), "g", []string{"orders"}, kafka.WithSarama(func(c *sarama.Config) {
		c.Net.Proxy.Enable, c.Net.Proxy.Dialer = true, counting
	}))
	if err != nil {
		t.Fatal(err)
	}
	run(t, src, e)
	next(t, e.messages, "a message")
	proxy.block("all")
	eventually(t, "Health shows it", func() bool { return src.Health() != nil })
	before, began := asked.Load(), time.Now()
	<-time.After(4 * time.Second)
	// Four connections look for their broker: the fetches, the group, the commits, the watch.
	if perSecond := float64(asked.Load()-before) / time.Since(began).Seconds(); perSecond > 4*4 {
		t.Errorf("%.1f attempts to connect a second", perSecond)
	} else {
		t.Logf("%.1f attempts to connect a second", perSecond)
	}
	proxy.block("")
	fill(t, c.ListenAddrs(), "orders", 0, 1, 1)
	for next(t, e.messages, "a message after the trouble").Position().Offset != 1 { //nolint:revive // a repeat is allowed
	}
}

type dialerFunc func(network, addr string) (net.Conn, error)

func (f dialerFunc) Dial(network, addr string) (net.Conn, error) { return f(network, addr) }
