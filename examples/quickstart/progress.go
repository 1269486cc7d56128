package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// follower shows how far the consumer is, by what the ledger and the broker say.
type follower struct {
	cluster *cluster
	book    *ledgerReader
	total   int
	began   time.Time
	bar     bool
	shown   time.Time

	saved, committed int
}

func newFollower(c *cluster, ledger string, total int) *follower {
	info, err := os.Stdout.Stat()
	return &follower{
		cluster: c, book: newLedgerReader(ledger), total: total, began: time.Now(),
		bar: err == nil && info.Mode()&os.ModeCharDevice != 0,
	}
}

func (f *follower) finished() bool { return f.committed >= f.total }
func (f *follower) halfWay() bool  { return f.committed >= f.total/2 }

// follow looks every tenth of a second, until there is enough. That ctx or the
// consumer ends before is an error.
func (f *follower) follow(ctx context.Context, ended <-chan struct{}, enough func() bool) error {
	defer f.endLine()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for !enough() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("interrupted after %s of %s orders were committed", thousands(f.committed), thousands(f.total))
		case <-ended:
			return errors.New("the consumer ended too soon")
		}
		if err := f.look(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		f.show(enough())
	}
	return nil
}

func (f *follower) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	o, err := f.cluster.offsets(ctx)
	if err != nil {
		return err
	}
	f.committed = 0
	for _, committed := range o.committed {
		f.committed += int(committed)
	}
	err = f.book.update()
	f.saved = len(f.book.saved)
	return err
}

// show draws a bar on a terminal, and elsewhere writes a line a second.
func (f *follower) show(last bool) {
	const width = 24
	text := fmt.Sprintf("%6s saved  %6s committed  of %s  %4.1f s",
		thousands(f.saved), thousands(f.committed), thousands(f.total), time.Since(f.began).Seconds())
	if f.bar {
		done := min(width*f.committed/f.total, width)
		fmt.Printf("\r%s%s  %s", strings.Repeat("█", done), strings.Repeat("░", width-done), text)
		return
	}
	if last || time.Since(f.shown) >= time.Second {
		f.shown = time.Now()
		fmt.Println(text)
	}
}

func (f *follower) endLine() {
	if f.bar {
		fmt.Println()
	}
}

// thousands writes 10000 as "10 000".
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + " " + text[i:]
	}
	return text
}
