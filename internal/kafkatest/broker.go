package kafkatest

import (
	"cmp"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vlab-research/burrow/internal/kraft"
)

// Kind says what a Broker is.
type Kind string

// The kinds of brokers.
const (
	Fake   Kind = "fake"   // kfake, in this process
	Local  Kind = "local"  // a real Kafka that this process started
	Remote Kind = "remote" // brokers that ran before
)

// Broker is a Kafka for one test. Its methods end the test when they fail, so
// they must be called on the test's goroutine; each is bounded by a timeout.
type Broker struct {
	kind   Kind
	addrs  []string
	fake   *kfake.Cluster
	kraft  *kraft.Cluster
	opts   []kgo.Opt // of every client
	client *kgo.Client
	admin  *kadm.Client
}

// Brokers returns the Kafka that BURROW_TEST_KAFKA asks for. What it opens is closed
// when the test ends. The options are for the fake alone, which has one broker by default.
func Brokers(t testing.TB, opts ...kfake.Opt) *Broker {
	t.Helper()
	b := &Broker{}
	switch env := os.Getenv(Env); env {
	case "":
		b.startFake(t, opts)
	case "local":
		b.joinLocal(t)
	default:
		b.kind, b.addrs = Remote, strings.Split(env, ",")
	}
	b.connect(t)
	return b
}

// Fakes returns an embedded fake, whatever BURROW_TEST_KAFKA says, for a test that
// makes its faults.
func Fakes(t testing.TB, opts ...kfake.Opt) *Broker {
	t.Helper()
	return FakesFor(t, nil, opts...)
}

// FakesFor is Fakes with options for the Broker's own client: credentials, TLS.
func FakesFor(t testing.TB, client []kgo.Opt, opts ...kfake.Opt) *Broker {
	t.Helper()
	b := &Broker{}
	b.startFake(t, opts)
	b.connect(t, client...)
	return b
}

// On returns a Broker for a real Kafka that the test has started, with options for
// its clients: credentials, TLS.
func On(t testing.TB, cluster *kraft.Cluster, client ...kgo.Opt) *Broker {
	t.Helper()
	b := &Broker{kind: Local, kraft: cluster, addrs: cluster.Addrs()}
	b.connect(t, client...)
	return b
}

func (b *Broker) startFake(t testing.TB, opts []kfake.Opt) {
	t.Helper()
	defaults := []kfake.Opt{kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100 * time.Millisecond)}
	fake, err := kfake.NewCluster(slices.Concat(defaults, opts)...)
	if err != nil {
		t.Fatalf("kafkatest: %v", err)
	}
	t.Cleanup(fake.Close)
	t.Log("kafkatest: this runs on an embedded fake")
	b.kind, b.fake, b.addrs = Fake, fake, fake.ListenAddrs()
}

func (b *Broker) joinLocal(t testing.TB) {
	t.Helper()
	cluster, err := local.get()
	if err != nil {
		t.Fatal(err)
	}
	b.kind, b.kraft, b.addrs = Local, cluster, cluster.Addrs()
}

func (b *Broker) connect(t testing.TB, opts ...kgo.Opt) {
	t.Helper()
	b.opts = append([]kgo.Opt{kgo.SeedBrokers(b.addrs...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)
	b.client = b.Client(t)
	b.admin = kadm.NewClient(b.client)
	ctx, cancel := deadline(t)
	defer cancel()
	if err := b.client.Ping(ctx); err != nil {
		t.Fatalf("kafkatest: no Kafka at %v (%s=%s): %v", b.addrs, Env, cmp.Or(os.Getenv(Env), "unset"), err)
	}
}

// Client returns a client of its own for what Broker has no method for, with the
// same credentials. It is closed when the test ends.
func (b *Broker) Client(t testing.TB, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(slices.Concat(b.opts, opts)...)
	if err != nil {
		t.Fatalf("kafkatest: %s=%s: %v", Env, os.Getenv(Env), err)
	}
	t.Cleanup(client.Close)
	return client
}

// Kind says what this is.
func (b *Broker) Kind() Kind { return b.kind }

// Addrs returns the brokers' addresses, host:port.
func (b *Broker) Addrs() []string { return slices.Clone(b.addrs) }

// Fake returns the cluster for injecting faults; nil unless the kind is Fake.
func (b *Broker) Fake() *kfake.Cluster { return b.fake }

// Kraft returns the real Kafka, for its Admin; nil unless the kind is Local. The
// other tests of the package use it too, so don't kill it: start one with kraft.Start for that.
func (b *Broker) Kraft() *kraft.Cluster { return b.kraft }
