package ledger

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Now is the time on the machine's monotonic clock, the same in all processes.
func Now() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return time.Now().UnixNano()
	}
	return t.Nano()
}

// Writer adds lines to the file of one process. It is safe for concurrent use.
type Writer struct{ file *os.File }

// Create opens a new file for writing.
func Create(path string) (*Writer, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600) //nolint:gosec // the run's own folder
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return &Writer{file}, nil
}

// Write adds the line with the time of now. A process that can't keep its ledger
// must not go on, so it panics.
func (w *Writer) Write(l Line) {
	l.At = Now()
	var room [96]byte
	if _, err := w.file.Write(l.Append(room[:0])); err != nil {
		panic(fmt.Errorf("ledger: %w", err))
	}
}

// Close closes the file.
func (w *Writer) Close() error { return w.file.Close() }

// Reader follows a file that grows.
type Reader struct {
	path string
	read int64
}

// NewReader returns a reader of a file that need not exist yet.
func NewReader(path string) *Reader { return &Reader{path: path} }

// Read returns the lines that are new and whole.
func (r *Reader) Read() ([]Line, error) {
	file, err := os.Open(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	if _, err := file.Seek(r.read, io.SeekStart); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	var lines []Line
	for in := bufio.NewReaderSize(file, 1<<16); ; {
		text, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
		line, err := Parse(text[:len(text)-1])
		if err != nil {
			return nil, err
		}
		r.read += int64(len(text))
		lines = append(lines, line)
	}
}
