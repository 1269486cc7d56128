package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
)

// station sends the questions of a gatherer when the test lets it.
type station struct {
	sent chan []int
	open chan struct{}
}

func newStation() (*station, *gatherer[int]) {
	s := &station{sent: make(chan []int, 10), open: make(chan struct{})}
	return s, &gatherer[int]{calls: new(crew), sendFunc: s.send}
}

// send refuses what can't be divided by two.
func (s *station) send(all []int) []error {
	s.sent <- all
	<-s.open
	errs := make([]error, len(all))
	for i, n := range all {
		if n%2 != 0 {
			errs[i] = fmt.Errorf("%d is odd", n)
		}
	}
	return errs
}

func TestWhatIsAskedForWhileARequestIsOutGoesInTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, g := newStation()
		answers := make([]error, 100)
		for i := range answers {
			go func() { answers[i] = g.ask(t.Context(), i) }()
			synctest.Wait()
		}
		close(s.open)
		synctest.Wait()
		if first, rest := <-s.sent, <-s.sent; !slices.Equal(first, []int{0}) || len(rest) != len(answers)-1 || len(s.sent) != 0 {
			t.Errorf("sent %v and %v, and %d more; want the first alone and then all others together", first, rest, len(s.sent))
		}
		for i, err := range answers {
			if (err != nil) != (i%2 != 0) || err != nil && err.Error() != fmt.Sprintf("%d is odd", i) {
				t.Errorf("the answer to %d: %v", i, err)
			}
		}
		if err := g.ask(t.Context(), 2); err != nil {
			t.Errorf("asked again after all were answered: %v", err)
		}
	})
}

func TestWhoGivesUpHoldsUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, g := newStation()
		ctx, cancel := context.WithCancelCause(t.Context())
		answers := make([]error, 3)
		for i, ctx := range []context.Context{ctx, ctx, t.Context()} {
			go func() { answers[i] = g.ask(ctx, 2*i) }()
			synctest.Wait()
		}
		tired := errors.New("tired")
		cancel(tired)
		synctest.Wait()
		close(s.open)
		synctest.Wait()
		if !errors.Is(answers[0], tired) || !errors.Is(answers[1], tired) || answers[2] != nil {
			t.Errorf("answers %v; want the cause twice and nil", answers)
		}
		<-g.calls.close()
		if err := g.ask(t.Context(), 8); !errors.Is(err, errShut) {
			t.Errorf("asked of a crew that is shut: %v", err)
		}
	})
}
