package hostile_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/sirupsen/logrus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// secret is in every key, value, header and password of these tests.
const secret = "hunter2-correct-horse"

// telling is all that a pipeline tells of itself: log lines, spans and metrics.
type telling struct {
	mu     sync.Mutex
	log    bytes.Buffer
	reader *metric.ManualReader
	meters *metric.MeterProvider
	spans  *tracetest.InMemoryExporter
	tracer *sdktrace.TracerProvider
}

func newTelling() *telling {
	reader, spans := metric.NewManualReader(), tracetest.NewInMemoryExporter()
	return &telling{
		reader: reader, meters: metric.NewMeterProvider(metric.WithReader(reader)),
		spans: spans, tracer: sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)),
	}
}

func (l *telling) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Write(p)
}

func (l *telling) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.String()
}

func (l *telling) logger() logrus.FieldLogger {
	log := logrus.New()
	log.SetOutput(l)
	log.SetLevel(logrus.TraceLevel)
	return log
}

// all returns every line, every span and every metric as text, and how many there are of each.
func (l *telling) all(t *testing.T) (text string, lines, spans, series int) {
	t.Helper()
	var out strings.Builder
	log := l.text()
	out.WriteString(log)
	for _, span := range l.spans.GetSpans() {
		spans++
		fmt.Fprintln(&out, span.Name, span.Attributes, span.Status, span.Events, span.Links, span.Resource, span.InstrumentationScope)
	}
	var collected metricdata.ResourceMetrics
	if err := l.reader.Collect(context.Background(), &collected); err != nil {
		t.Fatal(err)
	}
	for _, scope := range collected.ScopeMetrics {
		for _, m := range scope.Metrics {
			series++
			fmt.Fprintf(&out, "%+v\n", m)
		}
	}
	return out.String(), strings.Count(log, "\n"), spans, series
}

// leaks returns the forms of the secret that a text holds.
func leaks(text string) (found []string) {
	for _, form := range forms(secret) {
		if strings.Contains(text, form) {
			found = append(found, form)
		}
	}
	return found
}

// forms are the ways in which bytes are commonly printed. Base64 depends on what stands
// before, so each of three cases is cut to what doesn't.
func forms(s string) []string {
	list := []string{
		s, strings.ToUpper(s), hex.EncodeToString([]byte(s)), strings.ToUpper(hex.EncodeToString([]byte(s))),
		strings.Trim(fmt.Sprintf("%d", []byte(s)), "[]"), strings.Trim(fmt.Sprintf("% x", s), " "),
	}
	for before := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", before) + s))
		list = append(list, encoded[4:len(encoded)-4])
	}
	return list
}

// keepsSecrets checks that a pipeline told much, and nothing of that.
func (l *telling) keepsSecrets(t *testing.T, wantSpans bool) {
	t.Helper()
	text, lines, spans, series := l.all(t)
	if lines == 0 || series == 0 || wantSpans && spans == 0 {
		t.Errorf("%d log lines, %d spans, %d metrics: there was nothing to look through", lines, spans, series)
	}
	for _, leak := range leaks(text) {
		at := strings.Index(text, leak)
		t.Errorf("the secret is told, as %q: …%s…", leak, text[max(0, at-200):min(len(text), at+200)])
	}
	for _, leak := range leaks(saramaLines.text()) {
		t.Errorf("Sarama's lines hold the secret, as %q", leak)
	}
	t.Logf("looked through %d log lines, %d spans and %d metrics", lines, spans, series)
}

func TestTheSearchForSecretsFindsThem(t *testing.T) {
	t.Parallel()
	for name, told := range map[string]string{
		"as it is": "key=" + secret + " failed", "quoted": fmt.Sprintf("%q", "a"+secret), "bytes": fmt.Sprintf("%d", []byte("a"+secret)),
		"hex": fmt.Sprintf("%x", "a"+secret), "HEX": fmt.Sprintf("%X", "ab"+secret), "spaced": fmt.Sprintf("% x", "a"+secret),
		"base64": base64.StdEncoding.EncodeToString([]byte(secret)), "base64 behind one": base64.StdEncoding.EncodeToString([]byte("a" + secret + "b")),
		"base64 behind two": base64.URLEncoding.EncodeToString([]byte("ab" + secret + "cd")), "a struct": fmt.Sprintf("%+v", struct{ Password string }{secret}),
	} {
		if len(leaks(told)) == 0 {
			t.Errorf("%s: not found in %q", name, told)
		}
	}
	if found := leaks("topic=orders partition=0 offset=7 level=warning"); len(found) > 0 {
		t.Errorf("found %q in an innocent line", found)
	}
}
