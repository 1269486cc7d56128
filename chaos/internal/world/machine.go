package world

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// machine watches how well this machine keeps up, as evidence beside what breaks.
type machine struct {
	slow  atomic.Int64 // answers of the brokers that took long, though nothing is between
	mu    sync.Mutex
	worst time.Duration // by which the run itself came too late, of late
	at    time.Time
}

// slow is how long an answer to the run itself takes that shows the brokers to be
// starved in a calm time: a commit that takes a little longer fails.
const slow = time.Second

// remembered is how long a delay is told of.
const remembered = 15 * time.Second

// watch measures until ctx ends.
func (m *machine) watch(ctx context.Context) {
	for before := time.Now(); pause(ctx, tick) == nil; before = time.Now() {
		late := time.Since(before) - tick
		m.mu.Lock()
		if late > m.worst || time.Since(m.at) > remembered {
			m.worst, m.at = late, time.Now()
		}
		m.mu.Unlock()
	}
}

// waiting is for how long some process of the machine has had to wait for a CPU, as
// Linux counts it since its start; 0 where it doesn't.
func waiting() time.Duration {
	pressure, err := os.ReadFile("/proc/pressure/cpu")
	if err != nil {
		return 0
	}
	_, total, _ := strings.Cut(string(pressure), "total=")
	total, _, _ = strings.Cut(total, "\n")
	micros, err := strconv.ParseInt(total, 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(micros) * time.Microsecond
}

// overloaded reports whether an end took too long for want of a CPU: it took less than
// twice of what it may, and no longer than that while nobody waited for a CPU.
func overloaded(took, waited time.Duration) bool { return took < 2*drain && took-waited <= drain }

// String says how late the run itself was within the last seconds, and what Linux
// says of the processes that had to wait.
func (m *machine) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	text := fmt.Sprintf("the run itself was up to %v late", m.worst.Round(time.Millisecond))
	if pressure, err := os.ReadFile("/proc/pressure/cpu"); err == nil {
		line, _, _ := strings.Cut(string(pressure), "\n")
		text += "; cpu pressure " + line
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		text += "; load " + strings.TrimSpace(string(load))
	}
	return text
}
