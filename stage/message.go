package stage

import (
	"iter"
	"strconv"
	"time"
)

// Message is one record of a topic. It is read-only: neither stages nor
// middleware may change the slices it returns, which can share memory with the
// messages around it. [WithValue] and its siblings derive changed copies.
//
// A Message is safe for concurrent use.
type Message interface {
	// Key returns the record's key; nil when it has none. A nil and an empty key differ.
	Key() []byte
	// Value returns the record's value; nil for a tombstone.
	Value() []byte
	// Headers returns the record's headers in their order. It may build them at each call.
	Headers() Headers
	// Timestamp returns when the record was made, or appended if the topic says so.
	Timestamp() time.Time
	// Position returns where the record is stored; zero for a message that came from no topic.
	Position() Position
}

// Position is where a message is stored.
type Position struct {
	Topic     string
	Partition int32
	Offset    int64
}

// String returns topic/partition@offset.
func (p Position) String() string {
	return p.Topic + "/" + strconv.Itoa(int(p.Partition)) + "@" + strconv.FormatInt(p.Offset, 10)
}

// Header is one key and value that travel beside a message.
type Header struct {
	Key   string
	Value []byte
}

// Headers are a message's headers, in their order. A key may repeat.
type Headers []Header

// Get returns the last value of the key, which is what Kafka's own clients take
// when a key repeats, and whether there was one.
func (h Headers) Get(key string) ([]byte, bool) {
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].Key == key {
			return h[i].Value, true
		}
	}
	return nil, false
}

// All returns every value of the key, in order.
func (h Headers) All(key string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, header := range h {
			if header.Key == key && !yield(header.Value) {
				return
			}
		}
	}
}

// Option sets a field of a message made by [New].
type Option func(*record)

// At sets the position.
func At(p Position) Option { return func(r *record) { r.position = p } }

// Stamped sets the timestamp. The default is the zero time.
func Stamped(t time.Time) Option { return func(r *record) { r.timestamp = t } }

// Headed adds one header.
func Headed(key string, value []byte) Option {
	return func(r *record) { r.headers = append(r.headers, Header{Key: key, Value: value}) }
}

// Carrying sets the payload, as [Decode] would.
func Carrying(payload any) Option {
	return func(r *record) { r.payload, r.carries = payload, true }
}

// New makes a message of its own: for tests, and for stages that make messages.
// It keeps the slices, it doesn't copy them.
func New(key, value []byte, opts ...Option) Message {
	r := &record{key: key, value: value}
	for _, opt := range opts {
		opt(r)
	}
	return r
}

// WithKey returns a copy of the message with another key.
func WithKey(msg Message, key []byte) Message {
	r := recordOf(msg)
	r.key = key
	return r
}

// WithValue returns a copy of the message with another value. A payload stays
// as it is.
func WithValue(msg Message, value []byte) Message {
	r := recordOf(msg)
	r.value = value
	return r
}

// WithHeaders returns a copy of the message with these headers instead of its own.
func WithHeaders(msg Message, headers Headers) Message {
	r := recordOf(msg)
	r.headers = headers
	return r
}

// WithPayload returns the message with a payload beside its bytes, instead of
// the one it had. It costs one allocation of 32 bytes.
func WithPayload(msg Message, payload any) Message {
	if carried, ok := msg.(*carrier); ok {
		msg = carried.Message
	}
	return &carrier{Message: msg, payload: payload}
}

// Payload returns the payload that an earlier stage put beside the message's
// bytes, if it is a T. For T = []byte a message without a payload gives its
// value, and T = Message always gives the message itself.
func Payload[T any](msg Message) (T, bool) {
	payload, carried := payloadOf(msg)
	if t, ok := payload.(T); ok {
		return t, true
	}
	if t, ok := any(msg).(T); ok && isMessage[T]() {
		return t, true
	}
	if !carried && msg != nil {
		if t, ok := any(msg.Value()).(T); ok {
			return t, true
		}
	}
	var zero T
	return zero, false
}

func isMessage[T any]() bool {
	_, ok := any((*T)(nil)).(*Message)
	return ok
}

type payloader interface{ stagePayload() (any, bool) }

func payloadOf(msg Message) (any, bool) {
	if p, ok := msg.(payloader); ok {
		return p.stagePayload()
	}
	return nil, false
}

// carrier is a message with a payload beside it.
type carrier struct {
	Message
	payload any
}

func (c *carrier) stagePayload() (any, bool) { return c.payload, true }

// record is a message that owns its fields.
type record struct {
	key, value []byte
	headers    Headers
	timestamp  time.Time
	position   Position
	payload    any
	carries    bool
}

func recordOf(msg Message) *record {
	payload, carries := payloadOf(msg)
	return &record{
		key: msg.Key(), value: msg.Value(), headers: msg.Headers(),
		timestamp: msg.Timestamp(), position: msg.Position(), payload: payload, carries: carries,
	}
}

func (r *record) Key() []byte               { return r.key }
func (r *record) Value() []byte             { return r.value }
func (r *record) Headers() Headers          { return r.headers }
func (r *record) Timestamp() time.Time      { return r.timestamp }
func (r *record) Position() Position        { return r.position }
func (r *record) stagePayload() (any, bool) { return r.payload, r.carries }
