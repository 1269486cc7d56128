package stage_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vlab-research/burrow/stage"
)

type invoice struct{ Number int }

var (
	at      = stage.Position{Topic: "orders", Partition: 3, Offset: 42}
	stamped = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

func full() stage.Message {
	return stage.New([]byte("k"), []byte("v"), stage.At(at), stage.Stamped(stamped),
		stage.Headed("a", []byte("1")), stage.Headed("a", []byte("2")), stage.Carrying(invoice{7}))
}

func describe(msg stage.Message) string {
	payload, _ := stage.Payload[invoice](msg)
	return fmt.Sprintf("%s %s %s %v %v %v", msg.Key(), msg.Value(), msg.Headers(), msg.Timestamp().Unix(), msg.Position(), payload)
}

func TestADerivedMessageDiffersInOneThingOnly(t *testing.T) {
	t.Parallel()
	original := full()
	before := describe(original)
	carried := stage.WithPayload(stage.New([]byte("k"), []byte("v"), stage.At(at), stage.Stamped(stamped),
		stage.Headed("a", []byte("1")), stage.Headed("a", []byte("2"))), invoice{7})
	for name, msg := range map[string]stage.Message{"own payload": original, "payload beside it": carried} {
		for change, test := range map[string]struct{ got, want stage.Message }{
			"key": {stage.WithKey(msg, []byte("K")), stage.New([]byte("K"), []byte("v"), stage.At(at), stage.Stamped(stamped),
				stage.Headed("a", []byte("1")), stage.Headed("a", []byte("2")), stage.Carrying(invoice{7}))},
			"value": {stage.WithValue(msg, []byte("V")), stage.New([]byte("k"), []byte("V"), stage.At(at), stage.Stamped(stamped),
				stage.Headed("a", []byte("1")), stage.Headed("a", []byte("2")), stage.Carrying(invoice{7}))},
			"headers": {stage.WithHeaders(msg, stage.Headers{{Key: "b"}}), stage.New([]byte("k"), []byte("v"), stage.At(at), stage.Stamped(stamped),
				stage.Headed("b", nil), stage.Carrying(invoice{7}))},
			"payload": {stage.WithPayload(msg, invoice{8}), stage.New([]byte("k"), []byte("v"), stage.At(at), stage.Stamped(stamped),
				stage.Headed("a", []byte("1")), stage.Headed("a", []byte("2")), stage.Carrying(invoice{8}))},
		} {
			if describe(test.got) != describe(test.want) {
				t.Errorf("%s, other %s: %s, want %s", name, change, describe(test.got), describe(test.want))
			}
		}
	}
	if describe(original) != before {
		t.Errorf("the original became %s", describe(original))
	}
}

func TestNilAndEmptyKeysAndValuesDiffer(t *testing.T) {
	t.Parallel()
	for _, msg := range []stage.Message{stage.New(nil, nil), stage.WithPayload(stage.WithKey(stage.New([]byte("k"), nil), nil), 1)} {
		if msg.Key() != nil || msg.Value() != nil {
			t.Errorf("%v, %v", msg.Key(), msg.Value())
		}
	}
	if msg := stage.New([]byte{}, []byte{}); msg.Key() == nil || msg.Value() == nil {
		t.Error("an empty key or value became nil")
	}
}

func TestPayloadGivesWhatTheMessageCarries(t *testing.T) {
	t.Parallel()
	plain, carrying := stage.New(nil, []byte("v")), full()
	if _, ok := stage.Payload[invoice](plain); ok {
		t.Error("an invoice out of nothing")
	}
	if got, ok := stage.Payload[invoice](carrying); !ok || got.Number != 7 {
		t.Errorf("got %v, %v", got, ok)
	}
	if _, ok := stage.Payload[*invoice](carrying); ok {
		t.Error("an invoice taken for a pointer to one")
	}
	if got, ok := stage.Payload[[]byte](plain); !ok || string(got) != "v" {
		t.Errorf("the value of a message without a payload: %q, %v", got, ok)
	}
	if _, ok := stage.Payload[[]byte](carrying); ok {
		t.Error("the value of a message that carries something else")
	}
	for _, msg := range []stage.Message{plain, carrying, stage.WithPayload(plain, nil)} {
		if got, ok := stage.Payload[stage.Message](msg); !ok || got != msg {
			t.Errorf("the message itself: %v, %v", got, ok)
		}
	}
	if got, ok := stage.Payload[fmt.Stringer](stage.WithPayload(plain, at)); !ok || got.String() != "orders/3@42" {
		t.Errorf("as an interface: %v, %v", got, ok)
	}
	if _, ok := stage.Payload[invoice](nil); ok {
		t.Error("a payload of no message")
	}
}

func TestHeadersKeepOrderAndRepeats(t *testing.T) {
	t.Parallel()
	headers := stage.Headers{{"a", []byte("1")}, {"b", nil}, {"a", []byte("2")}}
	for key, want := range map[string][]string{"a": {"1", "2"}, "b": {""}, "A": nil, "": nil} {
		var got []string
		for value := range headers.All(key) {
			got = append(got, string(value))
		}
		if !slices.Equal(got, want) {
			t.Errorf("All(%q) = %q", key, got)
		}
		last, ok := headers.Get(key)
		if ok != (len(want) > 0) || ok && string(last) != want[len(want)-1] {
			t.Errorf("Get(%q) = %q, %v", key, last, ok)
		}
	}
	for value := range headers.All("a") {
		if string(value) != "1" {
			t.Error("All goes on after break")
		}
		break
	}
}

func FuzzHeaders(f *testing.F) {
	f.Add([]byte("a\x00b\x00a"), "a")
	f.Add([]byte(""), "")
	f.Add([]byte("\xff\x00\x00"), "\xff")
	f.Fuzz(func(t *testing.T, names []byte, key string) {
		var headers stage.Headers
		count := 0
		for i, name := range bytes.Split(names, []byte{0}) {
			headers = append(headers, stage.Header{Key: string(name), Value: []byte{byte(i)}})
			if string(name) == key {
				count++
			}
		}
		got := slices.Collect(headers.All(key))
		last, ok := headers.Get(key)
		if len(got) != count || ok != (count > 0) {
			t.Fatalf("%d of %d values, Get says %v", len(got), count, ok)
		}
		if ok && !bytes.Equal(last, got[len(got)-1]) {
			t.Errorf("Get gives %v, the last is %v", last, got[len(got)-1])
		}
	})
}

func TestAPayloadBesideAMessageCostsOneAllocation(t *testing.T) {
	msg, payload := stage.New(nil, nil), any(&invoice{1})
	if allocs := testing.AllocsPerRun(100, func() { _ = stage.WithPayload(msg, payload) }); allocs > 1 {
		t.Errorf("%v allocations", allocs)
	}
}

func ExampleNew() {
	msg := stage.New([]byte("customer-7"), []byte(`{"total": 12}`),
		stage.At(stage.Position{Topic: "orders", Partition: 3, Offset: 42}),
		stage.Headed("source", []byte("web")))
	source, _ := msg.Headers().Get("source")
	fmt.Printf("%s %s %s\n", msg.Position(), msg.Key(), source)
	// Output: orders/3@42 customer-7 web
}
