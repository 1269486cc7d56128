package stage

import (
	"fmt"
	"slices"
)

// Chain joins middleware into one; the first is the outermost. What Build checks of
// middleware, it checks of each of them.
func Chain(mws ...Middleware) Middleware {
	return func(next Stage) Stage {
		layers := make([]Stage, len(mws))
		for i, mw := range slices.Backward(mws) {
			next = layer(i, mw, next)
			layers[i] = next
		}
		return &chained{next, layers}
	}
}

// layer returns what the middleware makes of the stage, and if that is nothing, a stage that says so.
func layer(i int, mw Middleware, next Stage) Stage {
	if mw == nil {
		return &unmade{next, fmt.Errorf("stage.Chain: middleware %d is nil", i+1)}
	}
	if wrapped := mw(next); wrapped != nil {
		return wrapped
	}
	return &unmade{next, fmt.Errorf("stage.Chain: middleware %d returned no stage", i+1)}
}

// chained is a stage with the middleware of a chain around it.
type chained struct {
	Stage
	layers []Stage
}

// Layers returns what each middleware made, the outermost first.
func (c *chained) Layers() []Stage { return c.layers }

// unmade stands for a middleware that made no stage.
type unmade struct {
	Stage
	err error
}

// MiddlewareError tells Build.
func (u *unmade) MiddlewareError() error { return u.err }
