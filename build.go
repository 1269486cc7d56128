package burrow

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/vlab-research/burrow/middleware"
	"github.com/vlab-research/burrow/offsets"
	"github.com/vlab-research/burrow/pipeline"
	"github.com/vlab-research/burrow/stage"
)

// Build checks everything and returns the pipeline. Its error joins every mistake, each
// naming the method that made it.
func (b Builder) Build() (*Pipeline, error) {
	b = b.check(b.cfg.Source != nil || b.noted("From:"), "From: a pipeline needs a source")
	b = b.check(len(b.steps) > 0, "Stage: a pipeline needs at least one stage")
	b = b.check(b.cfg.HeadOfLine == nil || b.cfg.Ordering != ByPartition,
		"WithHeadOfLine: by partition every message is the only one; use middleware.Timeout, or another ordering")
	b = b.checkSkips().checkDrain()
	b = b.withoutNils()
	names := stepNames(b.steps)
	b = b.checkStages(names).checkTypes(names)
	var layers []layer
	cfg := b.cfg
	for i, s := range b.steps {
		wrapped, own := wrap(s.stage, s.mws, fmt.Sprintf("Stage: stage %d %q", i+1, names[i]))
		layers = append(layers, own...)
		cfg.Steps = append(cfg.Steps, pipeline.Step{Name: names[i], Stage: wrapped})
	}
	var outer []layer
	if len(b.use) > 0 {
		cfg.Middleware = func(next stage.Stage) stage.Stage {
			var wrapped stage.Stage
			wrapped, outer = wrap(next, b.use, "Use")
			return wrapped
		}
	}
	p := pipeline.New(cfg)
	b.problems = slices.Concat(b.problems, checkLayers(outer), checkLayers(layers))
	if len(b.problems) > 0 {
		return nil, b.failure()
	}
	return p, nil
}

func (b Builder) failure() error {
	return fmt.Errorf("burrow: %w", errors.Join(b.problems...))
}

// noted tells whether a mistake of a method was found already.
func (b Builder) noted(method string) bool {
	return slices.ContainsFunc(b.problems, func(err error) bool { return strings.HasPrefix(err.Error(), method) })
}

// withoutNils leaves out the stages and middleware that are nil, which are noted already,
// so that they don't stand in the way of the other checks.
func (b Builder) withoutNils() Builder {
	b.use = notNil(b.use)
	b.steps = slices.Clone(b.steps)
	for i, s := range b.steps {
		if s.stage == nil {
			s.stage = stage.Func(func(_ context.Context, msg Message) (Message, error) { return msg, nil })
		}
		b.steps[i] = step{stage: s.stage, mws: notNil(s.mws)}
	}
	return b
}

func notNil(mws []Middleware) []Middleware {
	return slices.DeleteFunc(slices.Clone(mws), func(mw Middleware) bool { return mw == nil })
}

// checkSkips asks for a threshold where the default one would halt the pipeline at the
// first failure, before the strategy can pass it.
func (b Builder) checkSkips() Builder {
	_, skips := b.cfg.Strategy.(offsets.SkipFailures)
	return b.check(!skips || b.cfg.MaxConsecutive != 0 || b.noted("WithMaxConsecutiveErrors:"),
		"WithCommitStrategy: offsets.SkipFailures passes messages that failed, but by default the first failure halts the pipeline; "+
			"set WithMaxConsecutiveErrors to how many in a row may fail")
}

// checkDrain keeps the drain and its last commit within the time that the group waits.
func (b Builder) checkDrain() Builder {
	if b.cfg.Source == nil {
		return b
	}
	limit := b.cfg.Source.RebalanceTimeout()
	if limit <= 0 {
		return b
	}
	if b.cfg.DrainTimeout == 0 {
		b.cfg.DrainTimeout = min(pipeline.DefaultDrainTimeout, limit/2)
	}
	b.cfg.CommitTimeout = min(pipeline.DefaultCommitTimeout, limit/8)
	longest := limit - 2*b.cfg.CommitTimeout
	return b.check(b.cfg.DrainTimeout <= longest,
		"WithDrainTimeout: %v is too long for the source's rebalance timeout of %v, which all revoked partitions share; use at most %v",
		b.cfg.DrainTimeout, limit, longest)
}

// layer is one middleware as it was built.
type layer struct {
	where string // the method that added it
	name  string // "" for a middleware of the user's own
	err   error  // what is wrong with its arguments
}

// wrap puts the middleware around the stage and returns what they say of themselves,
// outermost first.
func wrap(s stage.Stage, mws []stage.Middleware, where string) (stage.Stage, []layer) {
	var layers []layer
	for _, mw := range slices.Backward(mws) {
		wrapped := mw(s)
		layers = append(layersOf(wrapped, where), layers...)
		if wrapped != nil {
			s = wrapped
		}
	}
	return s, layers
}

// layersOf returns what a wrapped stage says of its middleware: one, or those of a [stage.Chain].
func layersOf(wrapped stage.Stage, where string) (layers []layer) {
	if chain, ok := wrapped.(interface{ Layers() []stage.Stage }); ok {
		for _, s := range chain.Layers() {
			layers = append(layers, layersOf(s, where)...)
		}
		return layers
	}
	l := layer{where: where}
	if wrapped == nil {
		l.err = errors.New("a middleware returned no stage")
	}
	if named, ok := wrapped.(interface{ MiddlewareName() string }); ok {
		l.name = named.MiddlewareName()
	}
	if checked, ok := wrapped.(interface{ MiddlewareError() error }); ok {
		l.err = checked.MiddlewareError()
	}
	return []layer{l}
}

// misplaced are pairs of middleware, outer and inner, that can't be meant.
var misplaced = []struct{ outer, inner, why string }{
	{middleware.NameRetry, middleware.NameDeadLetter, "it would never try again, because the dead letter resolves the message"},
	{middleware.NameRetry, middleware.NameRetry, "the attempts would multiply"},
	{middleware.NameRecover, middleware.NameRetry, "a panic would not be retried"},
	{middleware.NameRecover, middleware.NameDeadLetter, "a panic would not be dead-lettered"},
	{middleware.NameRecover, middleware.NameTracing, "a panic would not be traced"},
	{middleware.NameRecover, middleware.NameMetrics, "a panic would not be counted"},
	{middleware.NameRecover, middleware.NameLogging, "a panic would not be logged"},
}

// checkLayers checks the middleware around one stage, outermost first.
func checkLayers(layers []layer) (problems []error) {
	for i, l := range layers {
		for _, err := range each(l.err) {
			problems = append(problems, fmt.Errorf("%s: %w", l.where, err))
		}
		for _, inner := range layers[i+1:] {
			for _, m := range misplaced {
				if l.name == m.outer && inner.name == m.inner && l.where == inner.where {
					problems = append(problems, fmt.Errorf("%s: %s is outside %s: %s; swap them, or leave one out",
						l.where, m.outer, m.inner, m.why))
				}
			}
		}
	}
	return problems
}

// each returns what a joined error holds, so that every mistake can be told apart.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// stepNames returns the stages' names: given by stage.Named, or invented from
// what they do, and numbered where two are the same.
func stepNames(steps []step) []string {
	names := make([]string, len(steps))
	seen := make(map[string]int)
	for i, s := range steps {
		name := stage.Name(s.stage)
		if name == "" {
			name = stage.Kind(s.stage)
		}
		if name == "" {
			name = "stage"
		}
		if seen[name]++; seen[name] > 1 {
			name = fmt.Sprintf("%s#%d", name, seen[name])
		}
		names[i] = name
	}
	return names
}

// checkStages asks the stages what is wrong with their arguments.
func (b Builder) checkStages(names []string) Builder {
	for i, s := range b.steps {
		for _, err := range each(stage.Check(s.stage)) {
			b = b.check(false, "Stage: stage %d %q: %w", i+1, names[i], err)
		}
	}
	return b
}

// checkTypes checks that each typed stage gets what it takes.
func (b Builder) checkTypes(names []string) Builder {
	var carried reflect.Type // the payload before the stage; nil if there is none
	giver, known := -1, true
	for i, s := range b.steps {
		if stage.Kind(s.stage) == "" {
			known = false // it may set any payload
			continue
		}
		in, out := stage.Types(s.stage)
		switch {
		case in == nil || !known:
		case carried == nil:
			b = b.check(in == reflect.TypeFor[[]byte](),
				"Stage: stage %d %q takes %v, but no stage before it decodes the message", i+1, names[i], in)
		default:
			b = b.check(carried.AssignableTo(in), "Stage: stage %d %q takes %v, stage %d %q gives %v",
				i+1, names[i], in, giver+1, names[max(giver, 0)], carried)
		}
		if makesPayload(stage.Kind(s.stage)) {
			carried, giver, known = out, i, true
		}
	}
	return b
}

func makesPayload(kind string) bool { return kind == "decode" || kind == "map" }
