package kafkatest

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/vlab-research/burrow/internal/kraft"
)

// ownTimeout bounds the start of a Kafka of the test's own.
const ownTimeout = 2 * time.Minute

// NeedOwn skips the test unless BURROW_TEST_KAFKA=local.
func NeedOwn(t testing.TB) {
	t.Helper()
	if os.Getenv(Env) != "local" {
		t.Skipf("needs a real Kafka of its own, which only %s=local starts", Env)
	}
}

// Own starts a real Kafka for the test alone and ends it with the test. It skips
// the test unless BURROW_TEST_KAFKA=local.
func Own(t testing.TB, opts kraft.Options) *kraft.Cluster {
	t.Helper()
	NeedOwn(t)
	ctx, cancel := context.WithTimeout(t.Context(), ownTimeout)
	defer cancel()
	cluster, err := kraft.Start(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
	})
	return cluster
}
