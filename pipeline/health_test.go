package pipeline

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestAPipelineIsReadyFromItsFirstRebalanceToItsEnd(t *testing.T) {
	for _, partitions := range [][]int{{1}, {}} { // a member may get none
		synctest.Test(t, func(t *testing.T) {
			src := newFakeSource(partitions...)
			src.joins = time.Second
			p, stop := start(t, src, Config{}, ok)
			time.Sleep(src.joins / 2)
			if err := p.Health(); !errors.Is(err, ErrNotAssigned) {
				t.Errorf("before the first rebalance is over: %v", err)
			}
			time.Sleep(src.joins)
			if err := p.Health(); err != nil {
				t.Errorf("with %d partitions: %v", len(partitions), err)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
			if err := p.Health(); !errors.Is(err, ErrNotRunning) {
				t.Errorf("after its end: %v", err)
			}
		})
	}
	if err := New(Config{}).Health(); !errors.Is(err, ErrNotRunning) {
		t.Errorf("before it runs: %v", err)
	}
}
