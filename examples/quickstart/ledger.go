package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
)

// What a line of the ledger says of an order.
const (
	saved   = "saved"
	refused = "refused"
)

// ledger is the shop's database: a file to which each try to save an order adds
// one line. What is written survives the end of the process, however it comes.
type ledger struct{ *os.File }

func openLedger(path string) (*ledger, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &ledger{file}, nil
}

// write adds a line by one write, so that those of concurrent calls don't mix.
func (l *ledger) write(what string, order int) error {
	_, err := l.WriteString(what + " " + strconv.Itoa(order) + "\n")
	return err
}

// tally is what a ledger says, by order.
type tally struct{ saved, refused map[int]int }

// ledgerReader counts a ledger's lines while it grows.
type ledgerReader struct {
	path string
	read int64
	tally
}

func newLedgerReader(path string) *ledgerReader {
	return &ledgerReader{path: path, tally: tally{saved: make(map[int]int), refused: make(map[int]int)}}
}

// update counts the lines that are new.
func (r *ledgerReader) update() error {
	file, err := os.Open(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nobody wrote yet
	}
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it was only read
	if _, err := file.Seek(r.read, io.SeekStart); err != nil {
		return err
	}
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil // half a line is read again, once it is whole
		}
		if err != nil {
			return err
		}
		r.read += int64(len(line))
		if err := r.count(line); err != nil {
			return err
		}
	}
}

func (r *ledgerReader) count(line []byte) error {
	what, id, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
	order, err := strconv.Atoi(string(id))
	if err != nil {
		return fmt.Errorf("the ledger's line %q: %w", line, err)
	}
	if string(what) == saved {
		r.saved[order]++
	} else {
		r.refused[order]++
	}
	return nil
}
