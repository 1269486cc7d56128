package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/stage"
)

func newLog(level logrus.Level) (*logrus.Logger, *bytes.Buffer) {
	var out bytes.Buffer
	log := logrus.New()
	log.SetOutput(&out)
	log.SetLevel(level)
	log.SetFormatter(&logrus.JSONFormatter{})
	return log, &out
}

func lines(t *testing.T, out *bytes.Buffer) []map[string]any {
	t.Helper()
	var all []map[string]any
	for decoder := json.NewDecoder(out); ; {
		line := map[string]any{}
		if err := decoder.Decode(&line); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
}

func TestEachOutcomeIsLoggedAtItsLevelWithoutPayload(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		ctx  context.Context
		err  error
		want map[string]any
	}{
		"done":     {t.Context(), nil, map[string]any{"level": "debug", "msg": "message processed"}},
		"skipped":  {t.Context(), stage.Skip, map[string]any{"level": "debug", "msg": "message skipped"}},
		"released": {t.Context(), stage.ErrReleased, map[string]any{"level": "debug", "msg": "message released"}},
		"ended":    {ended, errBoom, map[string]any{"level": "debug", "msg": "message released"}},
		"failed": {t.Context(), &stage.Error{Stage: "save", Err: errBoom},
			map[string]any{"level": "warning", "msg": "message failed", "stage": "save", "error": `stage "save": boom`, "error_type": "*errors.errorString"}},
		"payload": {t.Context(), &stage.Error{Stage: "decode", Err: &stage.PayloadError{Op: "decode", Err: errors.New("bad byte in 'secret payload'")}},
			map[string]any{"level": "warning", "stage": "decode", "error_type": "decode"}},
		"panic": {t.Context(), &stage.PanicError{Value: "secret payload"}, map[string]any{"level": "warning", "error_type": "panic"}},
		"dead letter": {t.Context(), &stage.DeadLetteredError{Topic: "dlq", Err: errBoom},
			map[string]any{"level": "warning", "msg": "message dead-lettered", "dead_letter_topic": "dlq"}},
	} {
		t.Run(name, func(t *testing.T) {
			log, out := newLog(logrus.DebugLevel)
			if _, err := middleware.Logging(log)(always(test.err)).Process(test.ctx, order(7)); err != test.err {
				t.Errorf("the error became %v", err)
			}
			if text := out.String(); strings.Contains(text, "secret") || strings.Contains(text, `"key"`) {
				t.Errorf("logged %s", text)
			}
			got := lines(t, out)
			if len(got) != 1 {
				t.Fatalf("%d lines", len(got))
			}
			test.want["topic"], test.want["partition"], test.want["offset"] = "orders", 3.0, 7.0
			for field, want := range test.want {
				if got[0][field] != want {
					t.Errorf("%s: %v, want %v", field, got[0][field], want)
				}
			}
			if _, ok := got[0]["duration"]; !ok {
				t.Error("no duration")
			}
		})
	}
}

func TestTenThousandFailuresASecondAreAFewLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, out := newLog(logrus.InfoLevel)
		wrapped := middleware.Logging(log, middleware.Sample(time.Second, 5, 1000))(always(errBoom))
		for range 3 {
			for range 10_000 {
				_, _ = wrapped.Process(t.Context(), order(1))
			}
			time.Sleep(time.Second)
		}
		_, _ = wrapped.Process(t.Context(), order(1))
		got := lines(t, out)
		if len(got) != 3*(5+9)+1 {
			t.Errorf("%d lines", len(got))
		}
		told := len(got)
		for _, line := range got {
			if n, ok := line["suppressed"].(float64); ok {
				told += int(n)
			}
		}
		if told != 30_001 {
			t.Errorf("written and suppressed are %d of 30001", told)
		}
	})
}

func TestSamplingCanBeTurnedOffOrToTheFirstOnes(t *testing.T) {
	t.Parallel()
	for opt, want := range map[*middleware.LoggingOption]int{
		new(middleware.Sample(0, 0, 0)): 100, new(middleware.Sample(time.Hour, 3, 0)): 3, new(middleware.Sample(time.Hour, 0, 10)): 10,
	} {
		log, out := newLog(logrus.InfoLevel)
		wrapped := middleware.Logging(log, *opt)(always(errBoom))
		for range 100 {
			_, _ = wrapped.Process(t.Context(), order(1))
		}
		if got := len(lines(t, out)); got != want {
			t.Errorf("%d lines, want %d", got, want)
		}
	}
}

func TestASuccessThatIsNotLoggedCostsNoLine(t *testing.T) {
	log, _ := newLog(logrus.InfoLevel)
	for _, logger := range []logrus.FieldLogger{log, log.WithField("app", "billing")} {
		wrapped := middleware.Logging(logger)(always(nil))
		ctx, msg := t.Context(), order(1)
		if allocs := testing.AllocsPerRun(100, func() { _, _ = wrapped.Process(ctx, msg) }); allocs != 0 {
			t.Errorf("%T: %v allocations", logger, allocs)
		}
	}
}
