package load

import (
	"os"
	"regexp"
	"runtime/metrics"
	"strconv"
	"syscall"
	"time"
)

// sample is the state of this process at one moment.
type sample struct {
	at            time.Time
	cpu           float64
	allocs, bytes float64
}

func take() sample {
	s := sample{at: time.Now()}
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil {
		s.cpu = seconds(usage.Utime) + seconds(usage.Stime)
	}
	read := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}, {Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(read)
	s.allocs, s.bytes = float64(read[0].Value.Uint64()), float64(read[1].Value.Uint64())
	return s
}

func seconds(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }

var highWater = regexp.MustCompile(`VmHWM:\s*(\d+) kB`)

// MaxRSS returns the most memory that this process had, in bytes, as far as Linux
// tells. Getrusage would count what its parent had when it started this one.
func MaxRSS() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	match := highWater.FindSubmatch(text)
	if match == nil {
		return 0
	}
	kb, _ := strconv.ParseInt(string(match[1]), 10, 64)
	return kb << 10
}
