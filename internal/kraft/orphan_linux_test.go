package kraft_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vlab-research/burrow/internal/kraft"
)

// orphanEnv makes TestBrokersEndWithTheirProcess be the process that is killed.
const orphanEnv = "KRAFT_TEST_ORPHAN_DIR"

func TestBrokersEndWithTheirProcess(t *testing.T) {
	skipUnlessLocal(t)
	if dir := os.Getenv(orphanEnv); dir != "" {
		beOrphaned(t, dir)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBrokersEndWithTheirProcess$", "-test.v")
	child.Env = append(os.Environ(), orphanEnv+"="+t.TempDir())
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	addr := announced(bufio.NewScanner(out))
	if !listening(addr) {
		t.Fatalf("nobody listens on %q", addr)
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	awaitRefusal(t, addr)
}

// awaitRefusal waits until nobody listens. It asks slowly, because a busy loop
// would fill the queue of a broker that is still there.
func awaitRefusal(t *testing.T, addr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for ticker := time.NewTicker(50 * time.Millisecond); listening(addr); {
		select {
		case <-ctx.Done():
			t.Fatal("the broker outlives the process that started it")
		case <-ticker.C:
		}
	}
}

// beOrphaned starts a cluster, says where, and waits to be killed.
func beOrphaned(t *testing.T, dir string) {
	t.Helper()
	cluster, err := kraft.Start(testContext(t), kraft.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stdout.WriteString("up at " + cluster.Addrs()[0] + "\n"); err != nil {
		t.Fatal(err)
	}
	select {}
}

func announced(lines *bufio.Scanner) (addr string) {
	for lines.Scan() {
		if _, addr, ok := strings.Cut(lines.Text(), "up at "); ok {
			return addr
		}
	}
	return ""
}

func listening(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return !errors.Is(err, syscall.ECONNREFUSED)
	}
	_ = conn.Close()
	return true
}
