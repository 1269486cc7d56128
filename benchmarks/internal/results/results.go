// Package results keeps what was measured, so that pages can be written again
// without measuring.
package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/vlab-research/burrow/benchmarks/internal/arm"
	"github.com/vlab-research/burrow/benchmarks/internal/cases"
)

// Session is one start of the program.
type Session struct {
	Date, Commit, Command   string
	Machine, OS, Go, Broker string
	Java, Parallel          string
	Modules                 []string // path and version
	Rounds                  int
	Minutes                 float64
	SecondsPerRun           float64
}

// Run is one run of one arm.
type Run struct {
	Case    string // its ID
	Arm     string
	Round   int
	Session int
	arm.Result
}

// File is all that is kept.
type File struct {
	Sessions []Session
	Cases    []cases.Case
	Runs     []Run
}

// Load reads a file; one that isn't there is empty.
func Load(path string) (File, error) {
	var f File
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return f, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err != nil {
		return f, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Drop removes what was measured of a case, because it is measured again.
func (f *File) Drop(id string) {
	f.Runs = slices.DeleteFunc(f.Runs, func(r Run) bool { return r.Case == id })
	f.Cases = slices.DeleteFunc(f.Cases, func(c cases.Case) bool { return c.ID() == id })
}

// Save writes the file, a run a line.
func (f *File) Save(path string) error {
	var b bytes.Buffer
	b.WriteString(`{"Sessions":`)
	lines(&b, f.Sessions)
	b.WriteString(`,"Cases":`)
	lines(&b, f.Cases)
	b.WriteString(`,"Runs":`)
	lines(&b, f.Runs)
	b.WriteString("}\n")
	return os.WriteFile(path, b.Bytes(), 0o600)
}

func lines[T any](b *bytes.Buffer, all []T) {
	b.WriteString("[")
	for i, one := range all {
		if i > 0 {
			b.WriteString(",")
		}
		text, _ := json.Marshal(one) // plain values always can be
		fmt.Fprintf(b, "\n%s", text)
	}
	b.WriteString("\n]")
}

// Of returns the good runs of an arm in a case.
func (f *File) Of(id, name string) (runs []Run) {
	for _, r := range f.Runs {
		if r.Case == id && r.Arm == name && r.Error == "" {
			runs = append(runs, r)
		}
	}
	return runs
}

// Failed returns the runs that went wrong.
func (f *File) Failed() (runs []Run) {
	for _, r := range f.Runs {
		if r.Error != "" {
			runs = append(runs, r)
		}
	}
	return runs
}

// Median returns the median of a figure over runs; 0 without any.
func Median(runs []Run, figure func(Run) float64) float64 {
	if len(runs) == 0 {
		return 0
	}
	values := make([]float64, len(runs))
	for i, r := range runs {
		values[i] = figure(r)
	}
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 0 {
		return (values[middle-1] + values[middle]) / 2
	}
	return values[middle]
}

// Rate is messages a second.
func Rate(r Run) float64 { return per(float64(r.Handled), r.Seconds) }

// CPU is seconds of CPU a message.
func CPU(r Run) float64 { return per(r.Result.CPU, float64(r.Handled)) }

// Allocs is objects a message.
func Allocs(r Run) float64 { return per(r.Result.Allocs, float64(r.Handled)) }

// per is 0 for runs that handle nothing.
func per(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
