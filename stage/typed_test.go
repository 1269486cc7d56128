package stage_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/vlab-research/burrow/stage"
)

var errBoom = errors.New("boom")

func number(value []byte) (int, error) { return strconv.Atoi(string(value)) }

// run passes the message through the stages as a pipeline does.
func run(ctx context.Context, msg stage.Message, stages ...stage.Stage) (stage.Message, error) {
	var err error
	for _, s := range stages {
		if msg, err = s.Process(ctx, msg); err != nil {
			return nil, err
		}
	}
	return msg, nil
}

func TestTypedStagesHandThePayloadOn(t *testing.T) {
	t.Parallel()
	var saved string
	out, err := run(t.Context(), stage.New(nil, []byte("21"), stage.At(at)),
		stage.Decode(number),
		stage.Validate(func(n int) error { return nil }),
		stage.Filter(func(n int) bool { return n > 20 }),
		stage.Map(func(_ context.Context, n int) (string, error) { return fmt.Sprint(2 * n), nil }),
		stage.Handle(func(_ context.Context, text string) error { saved = text; return nil }))
	if err != nil || saved != "42" {
		t.Fatalf("saved %q, %v", saved, err)
	}
	if got, _ := stage.Payload[string](out); got != "42" || string(out.Value()) != "21" || out.Position() != at {
		t.Errorf("the message became %s, payload %q", out.Value(), got)
	}
}

func TestWhatEndsTheWorkSaysSo(t *testing.T) {
	t.Parallel()
	msg := stage.WithPayload(stage.New(nil, []byte("x")), 7)
	for name, test := range map[string]struct {
		stage stage.Stage
		op    string // of a PayloadError
		is    error
	}{
		"decode":   {stage.Decode(func([]byte) (int, error) { return 0, errBoom }), "decode", errBoom},
		"validate": {stage.Validate(func(int) error { return errBoom }), "validate", errBoom},
		"filter":   {stage.Filter(func(int) bool { return false }), "", stage.Skip},
		"map":      {stage.Map(func(context.Context, int) (int, error) { return 0, errBoom }), "", errBoom},
		"handle":   {stage.Handle(func(context.Context, int) error { return errBoom }), "", errBoom},
		"mismatch": {stage.Handle(func(context.Context, string) error { return nil }), "take", nil},
	} {
		out, err := test.stage.Process(t.Context(), msg)
		if out != nil || err == nil || test.is != nil && !errors.Is(err, test.is) {
			t.Errorf("%s: %v, %v", name, out, err)
		}
		bad, ok := errors.AsType[*stage.PayloadError](err)
		if ok != (test.op != "") || ok && (bad.Op != test.op || bad.Retryable()) {
			t.Errorf("%s: %+v", name, err)
		}
	}
}

func TestAMismatchNamesBothTypes(t *testing.T) {
	t.Parallel()
	takes := stage.Handle(func(context.Context, invoice) error { return nil })
	for want, msg := range map[string]stage.Message{
		"takes stage_test.invoice, but no stage before it decoded":          stage.New(nil, []byte("x")),
		"takes stage_test.invoice, the message carries *stage_test.invoice": stage.WithPayload(stage.New(nil, nil), &invoice{}),
		"the payload is nil": stage.WithPayload(stage.New(nil, nil), nil),
	} {
		if _, err := takes.Process(t.Context(), msg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v doesn't say %q", err, want)
		}
	}
}

func TestTypesAndKindSeeThroughNames(t *testing.T) {
	t.Parallel()
	bytesType, intType := reflect.TypeFor[[]byte](), reflect.TypeFor[int]()
	for _, test := range []struct {
		stage   stage.Stage
		kind    string
		in, out reflect.Type
	}{
		{stage.Decode(number), "decode", nil, intType},
		{stage.Validate(func(int) error { return nil }), "validate", intType, intType},
		{stage.Filter(func([]byte) bool { return true }), "filter", bytesType, bytesType},
		{stage.Map(func(context.Context, []byte) (int, error) { return 0, nil }), "map", bytesType, intType},
		{stage.Handle(func(context.Context, int) error { return nil }), "handle", intType, intType},
		{stage.Handle(func(context.Context, stage.Message) error { return nil }), "handle", nil, nil},
		{stage.HandleMessage(func(context.Context, stage.Message, int) error { return nil }), "handle", intType, intType},
		{stage.Func(func(_ context.Context, msg stage.Message) (stage.Message, error) { return msg, nil }), "", nil, nil},
	} {
		for _, s := range []stage.Stage{test.stage, stage.Named("inner", test.stage), stage.Named("outer", stage.Named("inner", test.stage))} {
			in, out := stage.Types(s)
			if in != test.in || out != test.out || stage.Kind(s) != test.kind {
				t.Errorf("%s: takes %v, gives %v, kind %q", test.kind, in, out, stage.Kind(s))
			}
		}
	}
}

func TestChainPutsTheFirstOutermost(t *testing.T) {
	t.Parallel()
	var order []string
	mark := func(name string) stage.Middleware {
		return func(next stage.Stage) stage.Stage {
			return stage.Func(func(ctx context.Context, msg stage.Message) (stage.Message, error) {
				order = append(order, name)
				return next.Process(ctx, msg)
			})
		}
	}
	s := stage.Chain(mark("a"), stage.Chain(), mark("b"), mark("c"))(stage.Handle(func(context.Context, []byte) error { return nil }))
	if _, err := s.Process(t.Context(), stage.New(nil, nil)); err != nil || strings.Join(order, "") != "abc" {
		t.Errorf("order %v, %v", order, err)
	}
}

func TestNameIsTheOneGiven(t *testing.T) {
	t.Parallel()
	s := stage.Decode(number)
	if stage.Name(s) != "" || stage.Name(stage.Named("decode order", s)) != "decode order" {
		t.Error("the name is lost")
	}
}

func ExampleDecode() {
	double := stage.Map(func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	show := stage.Handle(func(_ context.Context, n int) error { fmt.Println(n); return nil })
	_, err := run(context.Background(), stage.New(nil, []byte("21")), stage.Decode(number), double, show)
	fmt.Println(err)
	// Output:
	// 42
	// <nil>
}

func ExampleHandleMessage() {
	show := stage.HandleMessage(func(_ context.Context, msg stage.Message, n int) error {
		fmt.Printf("%s at %d: %d\n", msg.Key(), msg.Position().Offset, n)
		return nil
	})
	msg := stage.New([]byte("customer-7"), []byte("21"), stage.At(stage.Position{Topic: "orders", Offset: 42}))
	_, err := run(context.Background(), msg, stage.Decode(number), show)
	fmt.Println(err)
	// Output:
	// customer-7 at 42: 21
	// <nil>
}

func ExampleFilter() {
	large := stage.Filter(func(n int) bool { return n > 100 })
	_, err := run(context.Background(), stage.New(nil, []byte("21")), stage.Decode(number), large)
	fmt.Println(errors.Is(err, stage.Skip))
	// Output: true
}
