package middleware

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vlab-research/burrow/retry"
	"github.com/vlab-research/burrow/stage"
)

// The headers that [DeadLetter] adds to a message's own. Numbers are decimal, times
// RFC 3339 in UTC.
const (
	HeaderID           = "burrow-id"
	HeaderTopic        = "burrow-topic"
	HeaderPartition    = "burrow-partition"
	HeaderOffset       = "burrow-offset"
	HeaderStage        = "burrow-stage"
	HeaderError        = "burrow-error"
	HeaderErrorType    = "burrow-error-type"
	HeaderAttempts     = "burrow-attempts"
	HeaderFirstFailure = "burrow-first-failure"
	HeaderLastFailure  = "burrow-last-failure"
	HeaderStack        = "burrow-stack"
)

const (
	// MaxErrorBytes bounds [HeaderError]; longer text is cut and ends in "…".
	MaxErrorBytes = 4 << 10
	// MaxStackBytes bounds [HeaderStack].
	MaxStackBytes = 8 << 10
	// maxNameBytes bounds the other texts; topics of Kafka are shorter.
	maxNameBytes = 256
)

// ErrNotDeadLetter is returned by [ParseDeadLetter] for headers that [DeadLetter] didn't write.
var ErrNotDeadLetter = errors.New("middleware: not a dead letter")

// Letter says where a dead letter comes from and why it is one.
type Letter struct {
	// ID is [MessageID] of the original: a message that is dead-lettered again after a crash has the same.
	ID string
	// Position is where the original is stored.
	Position stage.Position
	// Stage is the name of the stage that failed, "" if no stage did.
	Stage string
	// Error is the failure's text, which may quote the message; ErrorType its kind.
	Error, ErrorType string
	// Attempts is how often the work was tried.
	Attempts int
	// FirstFailure and LastFailure are when the first and the last try failed.
	FirstFailure, LastFailure time.Time
	// Stack is the stack of a panic, else "".
	Stack string
}

// MessageID returns topic/partition/offset: the same for each delivery of a message.
func MessageID(msg stage.Message) string {
	p := msg.Position()
	return p.Topic + "/" + strconv.Itoa(int(p.Partition)) + "/" + strconv.FormatInt(p.Offset, 10)
}

// letterHeaders returns the message's headers and those of the failure. Those of
// an earlier dead letter are replaced, so that going round doesn't add up.
func letterHeaders(msg stage.Message, cause error, now time.Time) stage.Headers {
	ours := newLetter(msg, cause, now).headers()
	original := msg.Headers()
	headers := make(stage.Headers, 0, len(original)+len(ours))
	for _, header := range original {
		if _, replaced := ours.Get(header.Key); !replaced && header.Key != HeaderStack {
			headers = append(headers, header)
		}
	}
	return append(headers, ours...)
}

func newLetter(msg stage.Message, cause error, now time.Time) Letter {
	letter := Letter{
		ID: MessageID(msg), Position: msg.Position(), Error: cause.Error(), ErrorType: errorType(cause),
		Attempts: 1, FirstFailure: now, LastFailure: now,
	}
	if failed, ok := errors.AsType[*stage.Error](cause); ok {
		letter.Stage = failed.Stage
	}
	if gaveUp, ok := errors.AsType[*retry.ExhaustedError](cause); ok {
		letter.Attempts, letter.FirstFailure, letter.LastFailure = gaveUp.Attempts, gaveUp.First, gaveUp.Last
	}
	if panicked, ok := errors.AsType[*stage.PanicError](cause); ok {
		letter.Stack = string(panicked.Stack)
	}
	return letter
}

func (l Letter) headers() stage.Headers {
	headers := stage.Headers{
		{Key: HeaderID, Value: []byte(l.ID)},
		{Key: HeaderTopic, Value: []byte(l.Position.Topic)},
		{Key: HeaderPartition, Value: strconv.AppendInt(nil, int64(l.Position.Partition), 10)},
		{Key: HeaderOffset, Value: strconv.AppendInt(nil, l.Position.Offset, 10)},
		{Key: HeaderStage, Value: bounded(l.Stage, maxNameBytes)},
		{Key: HeaderError, Value: bounded(l.Error, MaxErrorBytes)},
		{Key: HeaderErrorType, Value: bounded(l.ErrorType, maxNameBytes)},
		{Key: HeaderAttempts, Value: strconv.AppendInt(nil, int64(l.Attempts), 10)},
		{Key: HeaderFirstFailure, Value: l.FirstFailure.UTC().AppendFormat(nil, time.RFC3339Nano)},
		{Key: HeaderLastFailure, Value: l.LastFailure.UTC().AppendFormat(nil, time.RFC3339Nano)},
	}
	if l.Stack != "" {
		headers = append(headers, stage.Header{Key: HeaderStack, Value: bounded(l.Stack, MaxStackBytes)})
	}
	return headers
}

// ParseDeadLetter reads what [DeadLetter] wrote into a message's headers. It
// returns [ErrNotDeadLetter] if the id, the topic, the partition or the offset is
// missing, and an error that names the header if one can't be read. Others may be missing.
func ParseDeadLetter(headers stage.Headers) (Letter, error) {
	for _, key := range []string{HeaderID, HeaderTopic, HeaderPartition, HeaderOffset} {
		if _, ok := headers.Get(key); !ok {
			return Letter{}, fmt.Errorf("%w: no header %s", ErrNotDeadLetter, key)
		}
	}
	r := &reader{headers: headers}
	letter := Letter{
		ID: r.text(HeaderID),
		Position: stage.Position{
			Topic: r.text(HeaderTopic), Partition: int32(r.number(HeaderPartition, 32)), Offset: r.number(HeaderOffset, 64),
		},
		Stage: r.text(HeaderStage), Error: r.text(HeaderError), ErrorType: r.text(HeaderErrorType),
		Attempts:     int(r.number(HeaderAttempts, 32)),
		FirstFailure: r.time(HeaderFirstFailure), LastFailure: r.time(HeaderLastFailure),
		Stack: r.text(HeaderStack),
	}
	if r.err != nil {
		return Letter{}, r.err
	}
	return letter, nil
}

// reader reads headers until one is malformed.
type reader struct {
	headers stage.Headers
	err     error
}

func (r *reader) text(key string) string {
	value, _ := r.headers.Get(key)
	return string(value)
}

func (r *reader) number(key string, bits int) int64 {
	text := r.text(key)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, bits)
	if err == nil && n < 0 {
		err = errors.New("it is negative")
	}
	r.note(key, err)
	return n
}

func (r *reader) time(key string) time.Time {
	text := r.text(key)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	r.note(key, err)
	return t.UTC()
}

func (r *reader) note(key string, err error) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("middleware: dead letter: header %s: %w", key, err)
	}
}

// bounded returns valid UTF-8 of at most limit bytes.
func bounded(text string, limit int) []byte {
	const more = "…"
	if len(text) > limit {
		text = cut(text, limit-len(more)) + more
	}
	text = strings.ToValidUTF8(text, "?")
	return []byte(text)
}

func cut(text string, limit int) string {
	for back := range utf8.UTFMax {
		if utf8.RuneStart(text[limit-back]) {
			return text[:limit-back]
		}
	}
	return text[:limit]
}
