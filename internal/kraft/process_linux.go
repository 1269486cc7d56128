package kraft

import (
	"os/exec"
	"syscall"
)

// endWithParent makes the kernel kill the child when its parent is gone.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
