package hostile_test

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/source/memory"
	"github.com/vlab-research/burrow/stage"
)

// FuzzAnyRecordEndsInAVerdict sends records through stages and middleware: each is done,
// skipped, or stored as a dead letter that can be read, and is quoted nowhere.
func FuzzAnyRecordEndsInAVerdict(f *testing.F) {
	f.Add([]byte("key"), []byte(`{"secret":"x","n":1}`), "traceparent", []byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
	f.Add([]byte(nil), []byte(nil), "", []byte(nil))
	f.Add([]byte{}, []byte(`{"secret":"x","panic":true}`), middleware.HeaderOffset, []byte("-1"))
	f.Fuzz(func(t *testing.T, key, value []byte, name string, header []byte) {
		if len(key)+len(value)+len(name)+len(header) > 1<<16 {
			t.Skip("long inputs only slow the search down")
		}
		g := &ground{told: newTelling()}
		out := &lastLetter{}
		p, err := g.everything(out, "dead")(burrow.New().From(memory.NewBroker().Source("g", []string{"orders"}))).Build()
		if err != nil {
			t.Fatal(err)
		}
		msg := stage.New(append(key, secret...), value, stage.At(stage.Position{Topic: "orders", Partition: 3, Offset: 7}),
			stage.Headed(name, header), stage.Headed(secret, []byte(secret)))
		_, err = p.Process(context.Background(), msg)
		switch lettered := out.published.Load(); {
		case lettered == nil && err != nil && !errors.Is(err, stage.Skip):
			t.Errorf("neither done, skipped nor a dead letter: %v", err)
		case lettered != nil:
			lettered.check(t, msg)
		}
		text, _, _, _ := g.told.all(t)
		for _, leak := range leaks(text) {
			t.Errorf("the secret is told as %q", leak)
		}
	})
}

// lastLetter keeps the letter that was published last.
type lastLetter struct{ published atomic.Pointer[letterSeen] }

type letterSeen struct {
	key, value []byte
	headers    stage.Headers
}

func (l *lastLetter) Publish(_ context.Context, _ string, key, value []byte, headers stage.Headers) error {
	l.published.Store(&letterSeen{key, value, headers})
	return nil
}

func (l *letterSeen) check(t *testing.T, msg stage.Message) {
	t.Helper()
	if !bytes.Equal(l.key, msg.Key()) || !bytes.Equal(l.value, msg.Value()) || (l.value == nil) != (msg.Value() == nil) {
		t.Error("the letter isn't a copy")
	}
	letter, err := middleware.ParseDeadLetter(l.headers)
	if err != nil || letter.Position != msg.Position() {
		t.Errorf("the letter says %+v, %v", letter, err)
	}
}
