// Package worker is the consumer that a chaos run starts many times, each in a process of its own.
package worker

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/IBM/sarama"

	"github.com/vlab-research/burrow"
)

// Variable is the environment variable that makes a process a worker, with its job.
const Variable = "BURROW_CHAOS_JOB"

// Job is what a worker has to know.
type Job struct {
	Brokers      []string
	Group, Topic string
	Ledger       string
	Strategy     string // a key of Strategies
	Ordering     string // a key of Orderings
	Instance     string // of a static member; "" for a dynamic one
	Committed    bool   // read only what is committed
	Workers      int
	Window       int
	Session      time.Duration
	Rebalance    time.Duration
	Drain        time.Duration
	Commit       time.Duration
	Debug        bool
}

// Strategies are the balance strategies by name.
func Strategies() map[string]func() sarama.BalanceStrategy {
	return map[string]func() sarama.BalanceStrategy{
		"cooperative-sticky": sarama.NewBalanceStrategyCooperativeSticky,
		"sticky":             sarama.NewBalanceStrategySticky,
		"range":              sarama.NewBalanceStrategyRange,
	}
}

// Orderings are the orderings by name.
func Orderings() map[string]burrow.Ordering {
	return map[string]burrow.Ordering{
		"by-key": burrow.ByKey, "unordered": burrow.Unordered, "by-partition": burrow.ByPartition,
	}
}

// Environment returns the job as the setting of the environment variable.
func (j Job) Environment() (string, error) {
	text, err := json.Marshal(j)
	if err != nil {
		return "", fmt.Errorf("worker: %w", err)
	}
	return Variable + "=" + string(text), nil
}

// FromEnvironment returns the job of this process; false if it is no worker.
func FromEnvironment() (j Job, is bool, err error) {
	text, is := os.LookupEnv(Variable)
	if !is {
		return j, false, nil
	}
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return j, true, fmt.Errorf("worker: %s: %w", Variable, err)
	}
	return j, true, nil
}

// Work is what a message asks of its handler. It travels as the message's value.
type Work struct {
	Takes   time.Duration
	Refuses int  // how many attempts fail first
	Deaf    bool // it ignores that its context ends
}

// Encode returns the work as a message's value.
func (w Work) Encode() []byte {
	deaf := 0
	if w.Deaf {
		deaf = 1
	}
	return fmt.Appendf(nil, "%d %d %d", w.Takes.Microseconds(), w.Refuses, deaf)
}

// DecodeWork reads what Encode wrote.
func DecodeWork(value []byte) (Work, error) {
	var micros int64
	var refuses, deaf int
	if _, err := fmt.Sscanf(string(value), "%d %d %d", &micros, &refuses, &deaf); err != nil {
		return Work{}, fmt.Errorf("worker: decoding work: %w", err)
	}
	return Work{Takes: time.Duration(micros) * time.Microsecond, Refuses: refuses, Deaf: deaf == 1}, nil
}
