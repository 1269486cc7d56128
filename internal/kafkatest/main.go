package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/vlab-research/burrow/internal/kraft"
)

// Env names the environment variable that chooses the Kafka.
const Env = "BURROW_TEST_KAFKA"

// startTimeout bounds the start of the local Kafka, which may have to be fetched.
const startTimeout = 5 * time.Minute

// local is the real Kafka that the tests of this process share. It is global
// because a test function has no other way to reach what TestMain owns.
var local sharedCluster

// Run runs the tests, ends the local Kafka if one was started, and returns the
// code for os.Exit.
func Run(m *testing.M) int { return Main(m).Run() }

// Main returns m with a Run that also ends the local Kafka, for goleak.VerifyTestMain.
func Main(m *testing.M) *Tests { return &Tests{tests: m} }

// Tests are the tests of a package. See [Main].
type Tests struct{ tests *testing.M }

// Run runs the tests and returns the code for os.Exit.
func (t *Tests) Run() (code int) {
	if os.Getenv(Env) == "" {
		fmt.Fprintf(os.Stderr, "kafkatest: %s is unset, so these tests run on an embedded fake; %s=local runs them on a real Kafka\n", Env, Env)
	}
	local.allow()
	defer func() {
		if err := local.close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}()
	return t.tests.Run()
}

// sharedCluster starts a cluster when it is first asked for.
type sharedCluster struct {
	mu      sync.Mutex
	allowed bool // somebody will call close
	cluster *kraft.Cluster
	err     error
}

func (s *sharedCluster) allow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allowed = true
}

// get returns the cluster. The lock is held during the start, because everybody
// who asks has to wait for it.
func (s *sharedCluster) get() (*kraft.Cluster, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.allowed {
		return nil, errors.New("kafkatest: nobody would end the local Kafka, write func TestMain(m *testing.M) { os.Exit(kafkatest.Run(m)) }")
	}
	if s.cluster == nil && s.err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		s.cluster, s.err = kraft.Start(ctx, kraft.Options{})
	}
	return s.cluster, s.err
}

func (s *sharedCluster) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allowed = false
	if s.cluster == nil {
		return nil
	}
	return s.cluster.Close()
}
