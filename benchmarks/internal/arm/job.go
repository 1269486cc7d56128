// Package arm has the consumers that are compared. Each run of one is a process of
// its own, so that its CPU, memory and garbage are its own.
package arm

import (
	"encoding/json"
	"os"
	"time"

	"github.com/vlab-research/burrow/benchmarks/internal/load"
)

// Env names the variable that makes a process the run of an arm.
const Env = "BURROW_BENCHMARK_JOB"

// FetchBytes is how much every arm fetches of a partition at a time.
const FetchBytes = 1 << 20

// Job is one run of one arm.
type Job struct {
	Arm     string
	Brokers []string
	Topic   string
	Group   string
	Load    load.Topic
	Work    load.Work
	Workers int
	// Window is burrow's WithMaxInFlight; the others have none.
	Window int
	// Limit ends the run early; what was handled until then is the result.
	Limit time.Duration
	// Probe is what is measured beside the rate, if anything.
	Probe string
	// Interval is burrow's commit interval; 0 leaves the default.
	Interval time.Duration
	// WarmUp is how long at most an arm in Java works for other groups first, until
	// what a message costs falls no more.
	WarmUp time.Duration
	// Ramp is how long an arm in Java has before what it does counts, but a quarter of a partition at most.
	Ramp time.Duration
	// Profile is where a CPU profile goes, if anywhere.
	Profile string
}

// Result is what a run came to.
type Result struct {
	load.Figures
	RSS   int64              // most memory, in bytes
	Extra map[string]float64 `json:",omitempty"` // what the probe measured
	Error string             `json:",omitempty"`
}

// FromEnvironment returns the job of this process, and whether it has one.
func FromEnvironment() (job Job, is bool, err error) {
	text := os.Getenv(Env)
	if text == "" {
		return Job{}, false, nil
	}
	return job, true, json.Unmarshal([]byte(text), &job)
}
