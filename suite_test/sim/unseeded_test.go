//go:build !deterministic

package sim_test

import "testing"

// replays tells whether a seed decides also which goroutine runs when. See [TestASeedReplays].
const replays = false

const howToReplay = "go test ./suite_test/sim -v -run TestSim"

func settle(*testing.T, int64) {}
