package ledger_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/vlab-research/burrow/chaos/internal/ledger"
)

func TestWhatIsWrittenIsReadInOrder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "1.ledger")
	r := ledger.NewReader(path)
	if lines, err := r.Read(); len(lines) != 0 || err != nil {
		t.Fatalf("before there is a file: %v, %v", lines, err)
	}
	w, err := ledger.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []ledger.Line{
		{Kind: ledger.Began, Partition: 3, Tenure: 1, Offset: 42},
		{Kind: ledger.Started, Partition: 3, Tenure: 1, Offset: 42, Attempt: 2, Key: -1},
	}
	for i, l := range want {
		w.Write(l)
		got, err := r.Read()
		if err != nil || len(got) != 1 {
			t.Fatalf("line %d: %v, %v", i, got, err)
		}
		if got[0].At == 0 {
			t.Error("no time")
		}
		got[0].At = 0
		if got[0] != l {
			t.Errorf("got %+v, want %+v", got[0], l)
		}
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if _, err := ledger.Create(path); err == nil {
		t.Error("a second process writes into the file of the first")
	}
}

func TestHalfALineIsReadWhenItIsWhole(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "1.ledger")
	text := string(ledger.Line{Kind: ledger.Acked, At: 1, Offset: 7}.Append(nil))
	r := ledger.NewReader(path)
	for i := range text {
		if err := os.WriteFile(path, []byte(text[:i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
		lines, err := r.Read()
		whole := i == len(text)-1
		if err != nil || (len(lines) == 1) != whole {
			t.Fatalf("after %d bytes: %v, %v", i+1, lines, err)
		}
	}
}

func TestWhatIsNoLineIsAnError(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "S", "S 1 2 3 4 5", "S 1 2 3 4 5 x", "SS 1 2 3 4 5 6", "S 1 2 3 4 5 6 7"} {
		if _, err := ledger.Parse([]byte(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}
