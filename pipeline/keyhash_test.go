package pipeline

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/vlab-research/burrow/stage"
)

// A key that is guessed can't be confirmed: each Run shows it otherwise. In one Run, lines can be matched.
func TestAKeysHashIsOneOfThisRunOnly(t *testing.T) {
	seen := make(map[uint64]bool)
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			src := newFakeSource(0)
			src.claims[0].messages = make(chan stage.Message, 1)
			src.claims[0].messages <- stage.New([]byte("customer-7"), nil, stage.At(stage.Position{Topic: "t"}))
			p, stop := start(t, src, Config{MaxConsecutive: 2}, func(context.Context, stage.Message) (stage.Message, error) {
				return nil, errors.New("it fails")
			})
			synctest.Wait()
			shown := p.Explain("t", 0).KeyHash
			if shown == 0 || shown != p.Explain("t", 0).KeyHash {
				t.Error("two lines about one key can't be matched")
			}
			seen[shown] = true
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
	if len(seen) != 2 {
		t.Error("two runs show one key alike")
	}
}
