//go:build deterministic

package sim_test

import (
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"testing/synctest"
	_ "unsafe" // for go:linkname
)

// replays tells whether a seed decides also which goroutine runs when.
const replays = true

const howToReplay = "go run ./internal/deterministic/gotest ./suite_test/sim -v -run TestSim"

// bubbleSeed is what the next bubble draws from. It is in the patched runtime.
//
//go:linkname bubbleSeed runtime.bubbleSeed
var bubbleSeed uint64

// settle makes the next bubble replay.
func settle(t *testing.T, seed int64) {
	t.Helper()
	warmUp(t)
	runtime.GC()
	bubbleSeed = uint64(seed)
}

// warmUp does what is done once in a process.
var warmUp = func() func(*testing.T) {
	var once sync.Once
	return func(t *testing.T) {
		t.Helper()
		once.Do(func() {
			runtime.GOMAXPROCS(1)
			debug.SetGCPercent(-1)
			synctest.Test(t, func(*testing.T) { newWorld(0).run() })
		})
	}
}()
