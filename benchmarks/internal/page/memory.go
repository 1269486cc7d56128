package page

import (
	"fmt"
	"strings"

	"github.com/vlab-research/burrow/benchmarks/internal/arm"
	"github.com/vlab-research/burrow/benchmarks/internal/results"
)

// memory weighs windows, looks whether the heap stays flat, and how much many workers take.
func memory(f results.File) string {
	found := of(f, "memory")
	if len(found) == 0 {
		return ""
	}
	var text strings.Builder
	text.WriteString("## Memory\n")
	weights := newTable("messages in the window", "arm", "heap and stacks a message", "beyond the message itself")
	flat := newTable("arm", "after 1/10 of the messages", "after 5/10", "after 10/10")
	crowd := newTable("arm", "peak in flight", "memory")
	for _, c := range found {
		base := 0.0
		for _, r := range rows(&f, c) {
			get := r.extra
			each := get("heap") / float64(c.Load.Messages)
			switch {
			case r.Name == arm.Holding:
				base = each
			case c.Probe == arm.ProbeQueued || c.Probe == arm.ProbeDone:
				weights.row(c.Name, r.Name, fmt.Sprintf("%.0f B", each), fmt.Sprintf("%.0f B", each-base))
			case c.Probe == arm.ProbeFlat:
				flat.row(r.Name, megabytes(get("live0")), megabytes(get("live4")), megabytes(get("live9")))
			default:
				crowd.row(r.Name, Thousands(r.peak), megabytes(r.rss))
			}
		}
		switch c.Probe {
		case arm.ProbeFlat:
			fmt.Fprintf(&text, "\nLive heap on the way through %s messages:\n\n%s", Thousands(float64(c.Load.Messages)), flat)
		case "":
			fmt.Fprintf(&text, "\nOne partition, %s workers, %v a message, a window of %s:\n\n%s",
				Thousands(float64(c.Workers)), c.Work, Thousands(float64(c.Window)), crowd)
		case arm.ProbeDone:
			fmt.Fprintf(&text, "\nA window with %s messages, beside a bare sarama loop that keeps them:\n\n%s", Thousands(float64(c.Load.Messages)), weights)
		}
	}
	return text.String()
}

// peersAhead says where another arm was quicker than burrow's of the same ordering, of how many pairs.
func peersAhead(f results.File) (lines []string, pairs int) {
	for _, c := range f.Cases {
		if c.Probe != "" {
			continue
		}
		all := rows(&f, c)
		for _, peer := range all {
			own := burrowBeside(all, peer)
			if own.rate == 0 {
				continue
			}
			pairs++
			if peer.rate > own.rate {
				lines = append(lines, fmt.Sprintf("- %s: %s is %.1f %% quicker than %s", c.ID(), peer.Name, 100*(peer.rate/own.rate-1), own.Name))
			}
		}
	}
	return lines, pairs
}

func ahead(f results.File) string {
	lines, _ := peersAhead(f)
	text := "## Where a peer is ahead\n\nCases in which another arm was quicker than burrow's with the same ordering, the bare loops and the ideals left out"
	if len(lines) == 0 {
		return text + ": none.\n"
	}
	return text + ":\n\n" + strings.Join(lines, "\n") + "\n"
}

// burrowBeside returns burrow's arm with the ordering of the peer; none for burrow
// itself, the ideals, the bare loops and the least that consuming costs.
func burrowBeside(all []row, peer row) row {
	if peer.IsIdeal() || peer.Name == arm.Sarama || peer.Name == arm.Franz || peer.Name == arm.Least || strings.HasPrefix(peer.Name, "burrow") {
		return row{}
	}
	for _, r := range all {
		if strings.HasPrefix(r.Name, "burrow") && r.Lanes == peer.Lanes {
			return r
		}
	}
	return row{}
}
