//go:build !linux

package kraft

import "os/exec"

// endWithParent does nothing where the system has no such thing.
func endWithParent(*exec.Cmd) {}
