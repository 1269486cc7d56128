package kraft_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/vlab-research/burrow/internal/kraft"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// budget bounds every test; the first start on a machine also fetches Kafka.
const budget = 3 * time.Minute

func TestOneBrokerKeepsItsDataThroughAKill(t *testing.T) {
	cluster := start(t, kraft.Options{})
	client := connect(t, cluster)
	createTopic(t, client, "orders", 1)
	produce(t, client, "orders", "before the kill")

	cluster.Kill(0)
	began := time.Now()
	if err := cluster.Restart(testContext(t), 0); err != nil {
		t.Fatal(err)
	}
	t.Logf("back after %v", time.Since(began).Round(time.Millisecond))
	produce(t, client, "orders", "after it")

	if got, want := consume(t, cluster, "orders", 2), "before the kill, after it"; got != want {
		t.Errorf("consumed %q, want %q", got, want)
	}
}

func TestAdminClassesSeeWhatAClientCommitted(t *testing.T) {
	cluster := start(t, kraft.Options{})
	client := connect(t, cluster)
	createTopic(t, client, "orders", 1)
	produce(t, client, "orders", "so that the coordinator has heard of the topic")
	var offsets kadm.Offsets
	offsets.AddOffset("orders", 0, 42, -1)
	if err := kadm.NewClient(client).CommitAllOffsets(testContext(t), "billing", offsets); err != nil {
		t.Fatal(err)
	}

	out, err := cluster.Admin(testContext(t), kraft.ConsumerGroupCommand, "--describe", "--group", "billing")
	if err != nil {
		t.Fatal(err)
	}
	if row := []string{"billing", "orders", "0", "42"}; !hasRow(out, row) {
		t.Errorf("no row %v in:\n%s", row, out)
	}
}

func TestThreeBrokersSurviveTheLossOfOne(t *testing.T) {
	cluster := start(t, kraft.Options{Brokers: 3})
	client := connect(t, cluster)
	createTopic(t, client, "orders", 3)
	produce(t, client, "orders", "with three")

	cluster.Kill(1)
	produce(t, client, "orders", "with two")
	if err := cluster.Restart(testContext(t), 1); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Stop(2); err != nil {
		t.Fatal(err)
	}
	produce(t, client, "orders", "with two others")

	if got, want := consume(t, cluster, "orders", 3), "with three, with two, with two others"; got != want {
		t.Errorf("consumed %q, want %q", got, want)
	}
}

func TestAFailedStartShowsTheLogAndLeavesNothing(t *testing.T) {
	skipUnlessLocal(t)
	t.Setenv("TMPDIR", t.TempDir())
	_, err := kraft.Start(testContext(t), kraft.Options{Properties: map[string]string{"authorizer.class.name": "no.such.Authorizer"}})
	if err == nil || !strings.Contains(err.Error(), "its log says") || !strings.Contains(err.Error(), "no.such.Authorizer") {
		t.Errorf("Start = %v, want the broker's words on the authorizer", err)
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestOnlyOneOrThreeBrokers(t *testing.T) {
	if _, err := kraft.Start(testContext(t), kraft.Options{Brokers: 2}); err == nil || !strings.Contains(err.Error(), "Options.Brokers is 2") {
		t.Errorf("Start = %v, want what is wrong with Brokers", err)
	}
}

// start starts a cluster for the test's life.
func start(t *testing.T, opts kraft.Options) *kraft.Cluster {
	t.Helper()
	skipUnlessLocal(t)
	began := time.Now()
	cluster, err := kraft.Start(testContext(t), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("up after %v at %v", time.Since(began).Round(time.Millisecond), cluster.Addrs())
	t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
	})
	return cluster
}

func skipUnlessLocal(t *testing.T) {
	t.Helper()
	if os.Getenv("BURROW_TEST_KAFKA") != "local" {
		t.Skip("starts a real Kafka, which only BURROW_TEST_KAFKA=local asks for")
	}
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), budget)
	t.Cleanup(cancel)
	return ctx
}

func connect(t *testing.T, cluster *kraft.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(cluster.Addrs()...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func createTopic(t *testing.T, client *kgo.Client, topic string, replicas int16) {
	t.Helper()
	if _, err := kadm.NewClient(client).CreateTopic(testContext(t), 1, replicas, nil, topic); err != nil {
		t.Fatal(err)
	}
}

func produce(t *testing.T, client *kgo.Client, topic, value string) {
	t.Helper()
	record := &kgo.Record{Topic: topic, Value: []byte(value)}
	if err := client.ProduceSync(testContext(t), record).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// consume returns the values of the topic's first n records.
func consume(t *testing.T, cluster *kraft.Cluster, topic string, n int) string {
	t.Helper()
	client := connect(t, cluster, kgo.ConsumeTopics(topic))
	ctx := testContext(t)
	var values []string
	for len(values) < n {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("consumed only %q: %v", values, fetches.Err())
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return strings.Join(values, ", ")
}

func hasRow(table string, row []string) bool {
	for line := range strings.Lines(table) {
		if strings.HasPrefix(strings.Join(strings.Fields(line), " "), strings.Join(row, " ")+" ") {
			return true
		}
	}
	return false
}
