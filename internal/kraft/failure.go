package kraft

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// shownLines is how much of a broker's log an error shows.
const shownLines = 20

// failure puts what the broker's log says behind what went wrong.
func (b *broker) failure(err error) error {
	content, readErr := os.ReadFile(b.logFile())
	if readErr != nil {
		content = []byte(readErr.Error())
	}
	log := string(content)
	if strings.Contains(log, "java.net.BindException") {
		err = fmt.Errorf("%w (%w)", err, syscall.EADDRINUSE)
	}
	return fmt.Errorf("kraft: broker %d: %w; its log says:\n%s", b.id, err, telling(log))
}

// telling returns the errors in a log with their exceptions, or its end if there are none.
func telling(log string) string {
	var all, errs []string
	for line := range strings.Lines(log) {
		all = append(all, line)
		logged := strings.HasPrefix(line, "[")
		cause := strings.HasPrefix(line, "Caused by:") || strings.Contains(line, "Exception:") || strings.Contains(line, "Error:")
		if strings.Contains(line, "] ERROR ") || strings.Contains(line, "] FATAL ") || !logged && cause {
			errs = append(errs, line)
		}
	}
	if len(errs) > 0 {
		return strings.Join(errs[:min(len(errs), shownLines)], "")
	}
	return strings.Join(all[max(0, len(all)-shownLines):], "")
}
