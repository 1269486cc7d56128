package page

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vlab-research/burrow/benchmarks/internal/cases"
	"github.com/vlab-research/burrow/benchmarks/internal/results"
)

func introduction(plot string) string {
	return fmt.Sprintf(`# Benchmarks

<!-- Written by the program in benchmarks/, every figure too. Change the program, not this page. -->

Burrow beside other ways to consume the same messages: on one machine, in one run, from one real Kafka.
Machines differ, so look at the shares.

![Rates as shares of a reference, the Parallel Consumer's grid, and how costs grow](%s)

To measure again (Linux; Go, Java 17 with its compiler, and Maven; without Java give a cluster with -brokers):

`+"```sh"+`
task bench:peers              # everything, and this page, in half an hour
task bench:peers -- -short    # the main cases
task bench:peers -- -render   # only this page, from benchmarks/results.json
`+"```"+`

How it is measured:

- All messages of a case are produced before, with random values of 100 bytes unless said otherwise, 8 partitions and a key of its own for each,
  in batches of 100 kB at most or of one message. (The broker gives a batch that is larger than the fetch only as the first of a response, so that partitions would have to wait for each other.)
  Every arm reads the same topic, as a new group and in a process of its own, and the order of the arms changes from round to round. Figures are medians.
- Time and CPU count from the start of the first handler to the end of the last, so joining the group doesn't; CPU is what the consuming process used (getrusage).
  Memory is the most that the process had (VmHWM). A run that is *cut* took too long: what it had handled by then is its rate.
- An arm must handle every message exactly once and have committed all of them at the end, or it is listed as failed. All fetch 1 MiB of a partition at a time.
- **ideal** is the same waits in plain goroutines without Kafka: n workers that take the next message and wait, which is what n workers can do if consuming costs nothing.
  *Ideal by key* and *by partition* never overlap two messages of a key or partition.
- A wait is a sleep that ends about a tenth of a millisecond late, in Go and in Java. Go by itself ends sleeps by whole milliseconds while nothing else runs, and all of that millisecond at once, which no reply
  from a network would do. So in all arms in Go, the ideals too, a timer of the kernel (timerfd) that Go waits for like for a connection goes off when a sleep should end.
- **sarama loop** and **franz-go loop** handle a partition's messages one after the other. *Goroutine per message* and *lasting workers* are what people write on sarama
  and are **unsafe**: they mark each message when it is done, so that a crash loses what was unfinished before it.
- **least on sarama** is what no consumer on sarama can do without, and nothing else: workers take the messages of all partitions in turn from rings that bare loops fill.
  Nobody knows which are done, and no order is kept.
- Burrow's window is its default of 10 000 messages a partition, and 20 000 with 10 000 workers. Everything else is at its default.
- The **Parallel Consumer** does the same work as other groups before it is measured, until what a message costs it falls no more, so that its code is compiled; and but for its README's grid
  and the keys of different weight, what it does in its first second, or with the first quarter of a partition, isn't counted. One process does all cases of an ordering.
`+"\n", plot)
}

// circumstances says of what and where all this was measured.
func circumstances(f results.File) string {
	var text strings.Builder
	text.WriteString("## What was measured where\n\n")
	used := make(map[int]bool)
	for _, r := range f.Runs {
		used[r.Session] = true
	}
	for i, s := range f.Sessions {
		if !used[i] {
			continue
		}
		fmt.Fprintf(&text, "- **%s**, commit %s: rounds: %d, of about %g s a run; %.0f minutes in all\n", s.Date, s.Commit, s.Rounds, s.SecondsPerRun, s.Minutes)
		fmt.Fprintf(&text, "  - %s; %s\n  - %s; %s\n  - %s\n", s.Machine, s.OS, s.Broker, s.Go, strings.Join(s.Modules, ", "))
		if s.Parallel != "" {
			fmt.Fprintf(&text, "  - Parallel Consumer %s on %s\n", s.Parallel, s.Java)
		}
		fmt.Fprintf(&text, "  - in `benchmarks/`: `%s`\n", strings.TrimSpace(s.Command))
	}
	return text.String()
}

// rounds says how often each case was run.
func rounds(f results.File) string {
	var text strings.Builder
	text.WriteString("## Rounds\n\nWhat was run how often; an arm in Java may have had fewer rounds, as its tables say.\n\n")
	t := newTable("set", "cases", "rounds")
	for _, set := range sets() {
		found := of(f, set)
		least, most := 0, 0
		for i, c := range found {
			n := roundsOf(f, c)
			if most = max(most, n); i == 0 || n < least {
				least = n
			}
		}
		span := fmt.Sprint(least)
		if least != most {
			span = fmt.Sprintf("%d to %d", least, most)
		}
		if len(found) > 0 {
			t.row(set, fmt.Sprint(len(found)), span)
		}
	}
	text.WriteString(t.String() + warmth(f))
	return text.String()
}

// warmth says whether the arms in Java were warm when they were measured.
func warmth(f results.File) string {
	runs, steady := 0, 0
	for _, r := range f.Runs {
		if value, ok := r.Extra["steady"]; ok {
			runs++
			steady += int(value)
		}
	}
	if runs == 0 {
		return ""
	}
	return fmt.Sprintf("\nOf %d runs of the Parallel Consumer %d began after what a message costs it had stopped to fall.\n", runs, steady)
}

// sets returns the sets of all cases.
func sets() (all []string) {
	for _, c := range cases.All(1) {
		if !slices.Contains(all, c.Set) {
			all = append(all, c.Set)
		}
	}
	return all
}

func roundsOf(f results.File, c cases.Case) (most int) {
	for _, r := range f.Runs {
		if r.Case == c.ID() {
			most = max(most, r.Round)
		}
	}
	return most
}

// failed lists what went wrong.
func failed(f results.File) string {
	runs := f.Failed()
	if len(runs) == 0 {
		return ""
	}
	var text strings.Builder
	text.WriteString("## Failed runs\n\nThese don't count above.\n\n")
	for _, r := range runs {
		fmt.Fprintf(&text, "- %s, %s, round %d: %s\n", r.Case, r.Arm, r.Round, firstLine(r.Error))
	}
	return text.String()
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
