package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/vlab-research/burrow/stage"
)

// row is what became of the orders of a partition.
type row struct {
	produced, processed, retried, deadLettered, duplicates, lost int
	committed, end                                               int64
}

func (r *row) add(o row) {
	r.produced += o.produced
	r.processed += o.processed
	r.retried += o.retried
	r.deadLettered += o.deadLettered
	r.duplicates += o.duplicates
	r.lost += o.lost
	r.committed += o.committed
	r.end += o.end
}

// report does the books, shows them, and returns an error unless they balance.
func report(ctx context.Context, c *cluster, j job, orders []*produced, crashed *crash, took time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	book := newLedgerReader(j.Ledger)
	if err := book.update(); err != nil {
		return err
	}
	offsets, err := c.offsets(ctx)
	if err != nil {
		return err
	}
	letters, err := c.letters(ctx)
	if err != nil {
		return err
	}
	rows := audit(orders, book.tally, letters, offsets)
	var total row
	for _, r := range rows {
		total.add(r)
	}
	if err := printTable(rows, total); err != nil {
		return err
	}
	printSpeed(workOneByOne(orders), took)
	return balance(total, crashed)
}

// audit compares what was produced with what was saved and dead-lettered.
func audit(orders []*produced, book tally, letters map[stage.Position]int, at offsets) []row {
	rows := make([]row, partitions)
	for p := range rows {
		rows[p].committed, rows[p].end = at.committed[p], at.end[p]
	}
	for _, o := range orders {
		rows[o.at.Partition].enter(book.saved[o.ID], book.refused[o.ID], letters[o.at], o.poison)
	}
	return rows
}

// enter adds one order, by how often it was saved, refused and dead-lettered: a good one is to be saved once, a bad one dead-lettered once.
func (r *row) enter(saves, refusals, dead int, poison bool) {
	r.produced++
	r.retried += refusals
	r.processed += min(saves, 1)
	r.deadLettered += min(dead, 1)
	r.duplicates += max(saves+dead-1, 0)
	if poison && dead == 0 || !poison && saves == 0 {
		r.lost++
	}
}

func printTable(rows []row, total row) error {
	var text strings.Builder
	line := func(name string, r row) {
		fmt.Fprintf(&text, "%s\t%d\t%d\t%d\t%d\t%d\t%d of %d\t\n",
			name, r.produced, r.processed, r.retried, r.deadLettered, r.duplicates, r.committed, r.end)
	}
	text.WriteString("\npartition\tproduced\tprocessed\tretried\tdead-lettered\tduplicates\tcommitted\t\n")
	for p, r := range rows {
		line(strconv.Itoa(p), r)
	}
	line("all", total)
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, err := io.WriteString(table, text.String()+"\n")
	return errors.Join(err, table.Flush())
}

func printSpeed(oneByOne, took time.Duration) {
	fmt.Printf("%v; one order at a time would have taken %v, %.0f times as long\n",
		took.Round(100*time.Millisecond), oneByOne.Round(time.Second), oneByOne.Seconds()/took.Seconds())
}

// balance says whether every order was dealt with once, and all of that is
// committed. Only a crash excuses duplicates, and not more than the windows hold.
func balance(total row, crashed *crash) error {
	allowed := 0
	if crashed != nil {
		allowed = partitions * window
		fmt.Printf("the crash repeated %d orders that were done; by the last Stats before it at most %d could be, by the windows %d\n",
			total.duplicates, crashed.atRisk, allowed)
	}
	var wrong []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	check(total.lost == 0, "%d orders were lost", total.lost)
	check(total.processed+total.deadLettered == total.produced, "%d orders produced, %d processed and %d dead-lettered",
		total.produced, total.processed, total.deadLettered)
	check(total.duplicates <= allowed, "%d orders were repeated, of at most %d", total.duplicates, allowed)
	check(total.committed == total.end, "%d offsets are not committed", total.end-total.committed)
	if len(wrong) > 0 {
		return fmt.Errorf("the ledger doesn't balance: %w", errors.Join(wrong...))
	}
	fmt.Println("the ledger balances: nothing was lost, and everything is committed")
	return nil
}
