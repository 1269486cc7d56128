package stage_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/vlab-research/burrow/stage"
)

func TestRedactedNeverQuotesPayloads(t *testing.T) {
	t.Parallel()
	payload := &stage.PayloadError{Op: "decode", Err: fmt.Errorf("near 'secret': %w", io.EOF)}
	panicked := &stage.PanicError{Value: "secret", Stack: []byte("secret")}
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"nil":                 {nil, ""},
		"plain":               {io.EOF, "EOF"},
		"payload":             {payload, "decode failed (*fmt.wrapError)"},
		"payload of a stage":  {&stage.Error{Stage: "decode", Err: payload}, "decode failed (*fmt.wrapError)"},
		"payload, joined":     {errors.Join(io.EOF, payload), "decode failed (*fmt.wrapError)"},
		"panic":               {panicked, "panic (string)"},
		"panic, dead letter":  {&stage.DeadLetteredError{Topic: "dlq", Err: panicked}, "panic (string)"},
		"panic with an error": {&stage.PanicError{Value: io.EOF}, "panic (*errors.errorString)"},
	} {
		got := stage.Redacted(test.err)
		if got != test.want || strings.Contains(got, "secret") {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestErrorsCanBeMatchedThroughTheirWrappers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err, is error
		text    string
	}{
		"stage":             {&stage.Error{Stage: "save", Err: io.EOF}, io.EOF, `stage "save": EOF`},
		"payload":           {&stage.PayloadError{Op: "decode", Err: io.EOF}, io.EOF, "decode: EOF"},
		"panic":             {&stage.PanicError{Value: io.EOF}, io.EOF, "panic: EOF"},
		"dead letter":       {&stage.DeadLetteredError{Topic: "dlq", Err: io.EOF}, io.EOF, "dead-lettered to dlq: EOF"},
		"dead letter, skip": {&stage.DeadLetteredError{Topic: "dlq", Err: io.EOF}, stage.Skip, "dead-lettered to dlq: EOF"},
	} {
		if !errors.Is(test.err, test.is) || test.err.Error() != test.text {
			t.Errorf("%s: %q", name, test.err)
		}
	}
	if errors.Is(&stage.PanicError{Value: "text"}, io.EOF) {
		t.Error("a panic with a text matches an error")
	}
}
