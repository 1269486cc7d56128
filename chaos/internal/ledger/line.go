// Package ledger is what the processes of a chaos run write down: one line for
// each thing that happened, by one write, so that what was written survives a kill -9
// and stands in the order in which it happened within its process.
package ledger

import (
	"bytes"
	"fmt"
	"strconv"
)

// Kind says what a line is about.
type Kind byte

// The kinds of lines.
const (
	Began    Kind = 'T' // a tenure; Offset is its start
	Ended    Kind = 'E' // a tenure
	Received Kind = 'G' // a message, from the source
	Started  Kind = 'S' // a handler
	Finished Kind = 'F' // a handler, well
	Failed   Kind = 'X' // a handler, with an error: its message is not done
	Asked    Kind = 'C' // for a commit; Offset is where a new owner would read
	Acked    Kind = 'A' // a commit, by the broker
	Fenced   Kind = 'N' // a commit was refused because the partition is another's
	Refused  Kind = 'R' // a commit failed and may be tried again
	Joined   Kind = 'J' // the group's answer to a join came; Attempt is the generation
	Assigned Kind = 'B' // a rebalance is over; Offset is the number of partitions
	Skipped  Kind = 'K' // Attempt messages in front of Offset, as the library reports: the log has lost them
	Stalled  Kind = 'L' // for Offset nanoseconds the process did not run
	Stopping Kind = 'D' // SIGTERM came
	Over     Kind = 'Z' // Run returned; Offset is 0 for no error
)

// Line is one line. Fields that a kind has no use for are zero.
type Line struct {
	Kind      Kind
	At        int64 // nanoseconds on the monotonic clock of this machine
	Partition int32
	Tenure    int32 // counted by each process
	Offset    int64
	Attempt   int32
	Key       int32 // -1 for a message without one
}

// Append adds the line's text, with its end, to b.
func (l Line) Append(b []byte) []byte {
	b = append(b, byte(l.Kind), ' ')
	b = strconv.AppendInt(b, l.At, 10)
	for _, n := range [...]int64{int64(l.Partition), int64(l.Tenure), l.Offset, int64(l.Attempt), int64(l.Key)} {
		b = strconv.AppendInt(append(b, ' '), n, 10)
	}
	return append(b, '\n')
}

// Parse reads the text of a line, without its end.
func Parse(text []byte) (Line, error) {
	const fields = 7
	parts := bytes.SplitN(text, []byte(" "), fields)
	if len(parts) != fields || len(parts[0]) != 1 {
		return Line{}, fmt.Errorf("ledger: %q is no line", text)
	}
	var n [fields]int64
	for i, part := range parts[1:] {
		var err error
		if n[i+1], err = strconv.ParseInt(string(part), 10, 64); err != nil {
			return Line{}, fmt.Errorf("ledger: line %q: %w", text, err)
		}
	}
	return Line{
		Kind: Kind(parts[0][0]), At: n[1], Partition: int32(n[2]), Tenure: int32(n[3]),
		Offset: n[4], Attempt: int32(n[5]), Key: int32(n[6]),
	}, nil
}
