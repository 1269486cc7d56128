package stage

import (
	"context"
	"errors"
	"fmt"
	"reflect"
)

// Decode makes a payload of the message's value. The payload travels beside the
// bytes to the typed stages behind it. An error is permanent ([PayloadError]).
func Decode[T any](decode func([]byte) (T, error)) Stage {
	return typed[Message, T]{op: "decode", missing: decode == nil, run: func(_ context.Context, msg Message) (Message, error) {
		payload, err := decode(msg.Value())
		if err != nil {
			return nil, &PayloadError{Op: "decode", Err: err}
		}
		return WithPayload(msg, payload), nil
	}}
}

// Validate checks the payload. An error is permanent ([PayloadError]).
func Validate[T any](check func(T) error) Stage {
	return taking[T, T]("validate", check == nil, func(_ context.Context, msg Message, payload T) (Message, error) {
		if err := check(payload); err != nil {
			return nil, &PayloadError{Op: "validate", Err: err}
		}
		return msg, nil
	})
}

// Map makes another payload of the payload. An error is an ordinary failure.
func Map[A, B any](f func(context.Context, A) (B, error)) Stage {
	return taking[A, B]("map", f == nil, func(ctx context.Context, msg Message, payload A) (Message, error) {
		mapped, err := f(ctx, payload)
		if err != nil {
			return nil, err
		}
		return WithPayload(msg, mapped), nil
	})
}

// Filter lets the messages pass whose payload is wanted; the others are skipped.
func Filter[T any](want func(T) bool) Stage {
	return taking[T, T]("filter", want == nil, func(_ context.Context, msg Message, payload T) (Message, error) {
		if !want(payload) {
			return nil, Skip
		}
		return msg, nil
	})
}

// Handle does the work on the payload. An error is an ordinary failure. With
// T = []byte it takes the value of a message that was not decoded, with
// T = [Message] the message itself. See [HandleMessage] for both.
func Handle[T any](handle func(context.Context, T) error) Stage {
	if handle == nil {
		return HandleMessage[T](nil)
	}
	return HandleMessage(func(ctx context.Context, _ Message, payload T) error { return handle(ctx, payload) })
}

// HandleMessage is [Handle] for work that needs the message beside the payload: its
// key, its headers, its position.
func HandleMessage[T any](handle func(context.Context, Message, T) error) Stage {
	return taking[T, T]("handle", handle == nil, func(ctx context.Context, msg Message, payload T) (Message, error) {
		if err := handle(ctx, msg, payload); err != nil {
			return nil, err
		}
		return msg, nil
	})
}

// Types returns the payload types that a typed stage takes and gives. A nil type
// is "anything": the stage is an untyped one, or takes the message itself.
func Types(s Stage) (in, out reflect.Type) {
	if t, ok := inside[interface{ types() (in, out reflect.Type) }](s); ok {
		return t.types()
	}
	return nil, nil
}

// Kind returns what a typed stage does ("decode", "validate", "map", "filter",
// "handle", "batch"), or "" for any other stage.
func Kind(s Stage) string {
	if k, ok := inside[interface{ kind() string }](s); ok {
		return k.kind()
	}
	return ""
}

// Check returns what is wrong with the arguments that a stage was made with, nil
// if nothing is known to be. Process of a wrong stage returns the same error.
func Check(s Stage) error {
	if n, ok := s.(*named); ok && n.Stage == nil {
		return errors.New("stage: Named got no stage")
	}
	if c, ok := inside[interface{ check() error }](s); ok {
		return c.check()
	}
	return nil
}

// inside finds what is a T among a stage and the stages that it wraps.
func inside[T any](s Stage) (found T, ok bool) {
	for {
		if found, ok = s.(T); ok {
			return found, true
		}
		u, wraps := s.(interface{ Unwrap() Stage })
		if !wraps {
			return found, false
		}
		s = u.Unwrap()
	}
}

// typed is a stage that says which payload it takes and gives.
type typed[In, Out any] struct {
	op      string
	missing bool // its function is nil
	run     Func
}

func (t typed[In, Out]) Process(ctx context.Context, msg Message) (Message, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	return t.run(ctx, msg)
}

func (t typed[In, Out]) check() error {
	if t.missing {
		return errNoFunc
	}
	return nil
}

func (t typed[In, Out]) kind() string { return t.op }

func (t typed[In, Out]) types() (in, out reflect.Type) {
	return payloadType[In](), payloadType[Out]()
}

func payloadType[T any]() reflect.Type {
	if isMessage[T]() {
		return nil
	}
	return reflect.TypeFor[T]()
}

func taking[In, Out any](op string, missing bool, run func(context.Context, Message, In) (Message, error)) Stage {
	return typed[In, Out]{op: op, missing: missing, run: func(ctx context.Context, msg Message) (Message, error) {
		payload, ok := Payload[In](msg)
		if !ok {
			return nil, mismatch[In](msg)
		}
		return run(ctx, msg, payload)
	}}
}

func mismatch[T any](msg Message) error {
	want := reflect.TypeFor[T]()
	payload, carried := payloadOf(msg)
	if !carried {
		return &PayloadError{Op: "take", Err: fmt.Errorf("the stage takes %v, but no stage before it decoded the message", want)}
	}
	if payload == nil {
		return &PayloadError{Op: "take", Err: errors.New("the payload is nil")}
	}
	return &PayloadError{Op: "take", Err: fmt.Errorf("the stage takes %v, the message carries %T", want, payload)}
}
