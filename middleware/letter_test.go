package middleware_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/stage"
)

// lettered dead-letters the message and returns the headers of what was stored.
func lettered(t testing.TB, msg stage.Message, failure error) stage.Headers {
	t.Helper()
	dlq := &topics{}
	if _, err := middleware.DeadLetter(dlq, "dlq")(always(failure)).Process(t.Context(), msg); !errors.Is(err, stage.Skip) {
		t.Fatal(err)
	}
	return dlq.stored[0].headers
}

func TestHeadersOfADeadLetterAreBoundedAndValid(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"long":                   strings.Repeat("x", 1<<20),
		"runes across the limit": strings.Repeat("é", 1<<20),
		"odd by one":             "x" + strings.Repeat("世", 1<<20),
		"not UTF-8":              strings.Repeat("\xff", 1<<20),
		"continuation bytes":     strings.Repeat("\x80", 1<<20),
		"short":                  "x",
	} {
		failure := &stage.Error{Stage: text, Err: &stage.PanicError{Value: text, Stack: []byte(text)}}
		headers := lettered(t, order(1), failure)
		for key, limit := range map[string]int{
			middleware.HeaderError: middleware.MaxErrorBytes, middleware.HeaderStack: middleware.MaxStackBytes, middleware.HeaderStage: 256,
		} {
			value, ok := headers.Get(key)
			if !ok || len(value) > limit || !utf8.Valid(value) {
				t.Errorf("%s: %s is %d bytes, valid %v", name, key, len(value), utf8.Valid(value))
			}
			if len(text) > limit && utf8.ValidString(text) && (len(value) < limit-utf8.UTFMax || !strings.HasSuffix(string(value), "…")) {
				t.Errorf("%s: %s is cut to %d bytes, …%q", name, key, len(value), value[len(value)-3:])
			}
		}
	}
}

func TestDeadLetteringADeadLetterDoesNotAddUp(t *testing.T) {
	t.Parallel()
	first := lettered(t, order(1), &stage.PanicError{Value: "no", Stack: []byte("stack")})
	again := stage.New(nil, nil, stage.At(stage.Position{Topic: "dlq", Partition: 1, Offset: 5}),
		stage.Headed("burrow-mine", []byte("kept")))
	again = stage.WithHeaders(again, append(again.Headers(), first...))
	second := lettered(t, again, errBoom)
	if want := len(first); len(second) != want { // one more of the user's, no stack
		t.Errorf("%d headers, want %d: %v", len(second), want, second)
	}
	letter, err := middleware.ParseDeadLetter(second)
	if err != nil || letter.ID != "dlq/1/5" || letter.Stack != "" {
		t.Errorf("got %+v, %v", letter, err)
	}
	if mine, _ := second.Get("burrow-mine"); string(mine) != "kept" {
		t.Errorf("a header of the user's was dropped")
	}
}

func TestParseDeadLetterNamesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for key, value := range map[string]string{
		middleware.HeaderPartition: "4294967296", middleware.HeaderOffset: "x", middleware.HeaderAttempts: "-1",
		middleware.HeaderFirstFailure: "yesterday", middleware.HeaderLastFailure: "1700000000",
	} {
		headers := append(lettered(t, order(1), errBoom), stage.Header{Key: key, Value: []byte(value)})
		_, err := middleware.ParseDeadLetter(headers)
		if err == nil || !strings.Contains(err.Error(), key) || errors.Is(err, middleware.ErrNotDeadLetter) {
			t.Errorf("%s=%s: %v", key, value, err)
		}
	}
	for _, key := range []string{middleware.HeaderID, middleware.HeaderTopic, middleware.HeaderPartition, middleware.HeaderOffset} {
		var headers stage.Headers
		for _, header := range lettered(t, order(1), errBoom) {
			if header.Key != key {
				headers = append(headers, header)
			}
		}
		if _, err := middleware.ParseDeadLetter(headers); !errors.Is(err, middleware.ErrNotDeadLetter) {
			t.Errorf("without %s: %v", key, err)
		}
	}
}

func FuzzParseDeadLetter(f *testing.F) {
	f.Add("orders/3/42", "orders", "3", "42", "5", "2026-01-02T03:04:05.000000006Z", "boom")
	f.Add("", "", "", "", "", "", "")
	f.Fuzz(func(t *testing.T, id, topic, partition, offset, attempts, when, text string) {
		letter, err := middleware.ParseDeadLetter(stage.Headers{
			{Key: middleware.HeaderID, Value: []byte(id)}, {Key: middleware.HeaderTopic, Value: []byte(topic)},
			{Key: middleware.HeaderPartition, Value: []byte(partition)}, {Key: middleware.HeaderOffset, Value: []byte(offset)},
			{Key: middleware.HeaderAttempts, Value: []byte(attempts)}, {Key: middleware.HeaderError, Value: []byte(text)},
			{Key: middleware.HeaderFirstFailure, Value: []byte(when)}, {Key: middleware.HeaderLastFailure, Value: []byte(when)},
		})
		if err != nil {
			if letter != (middleware.Letter{}) {
				t.Errorf("a letter beside %v", err)
			}
			return
		}
		if letter.ID != id || letter.Position.Partition < 0 || letter.Position.Offset < 0 || letter.Attempts < 0 || letter.Error != text {
			t.Errorf("got %+v", letter)
		}
		// What was read can be written and read again.
		msg := stage.New(nil, nil, stage.At(letter.Position))
		back, err := middleware.ParseDeadLetter(lettered(t, msg, errors.New(text)))
		if err != nil || back.Position != letter.Position {
			t.Errorf("read back %+v, %v", back, err)
		}
	})
}
