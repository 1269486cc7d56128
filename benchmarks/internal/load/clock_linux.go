package load

import (
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// clockTick is how late the clock may wake a sleeper.
	clockTick = 100 * time.Microsecond
	// clockTicks is how far it looks ahead. Longer sleeps, of 0.4 s and more, end as Go makes them.
	clockTicks = 1 << 12
	// unset is the tick of a timer that is set to none.
	unset = math.MaxInt64
)

// Clock makes sleeps end when they should. While nothing else runs, Go waits for its
// timers by whole milliseconds of epoll_wait, and wakes all that are due by then at once. What a
// handler waits for in earnest, a reply from the network, comes through epoll when it comes; so
// does the clock's own timer, a timerfd that is set to the next tick at which a sleep ends.
// Its methods are safe for concurrent use.
type Clock struct {
	timer *os.File
	begun time.Time
	ended chan struct{}
	ends  [clockTicks]atomic.Bool // whether a sleep ends at the tick, modulo clockTicks
	next  atomic.Int64            // the tick that the timer is set to
	mu    sync.Mutex              // to set it
}

// NewClock starts a clock.
func NewClock() (*Clock, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("timerfd_create: %w", err)
	}
	c := &Clock{timer: os.NewFile(uintptr(fd), "timerfd"), begun: time.Now(), ended: make(chan struct{})}
	c.next.Store(unset)
	go c.run()
	return c, nil
}

// Close ends the clock. Sleeps go on, as long as Go makes them.
func (c *Clock) Close() error {
	err := c.timer.Close()
	<-c.ended
	return err
}

// Sleep waits for d.
func (c *Clock) Sleep(d time.Duration) {
	end := int64((time.Since(c.begun) + d + clockTick - 1) / clockTick)
	c.ends[end%clockTicks].Store(true) // before the look at next: run looks the other way round
	if end < c.next.Load() {
		c.mu.Lock()
		if end < c.next.Load() {
			c.set(end)
		}
		c.mu.Unlock()
	}
	time.Sleep(d) //nolint:forbidigo // this is the work
}

// run sets the timer anew whenever it went off.
func (c *Clock) run() {
	defer close(c.ended)
	for count := make([]byte, 8); ; {
		if _, err := c.timer.Read(count); err != nil {
			return
		}
		c.mu.Lock()
		c.ring(c.next.Load())
		c.mu.Unlock()
	}
}

// ring goes on from a tick to the next one at which a sleep ends, if there is one.
func (c *Clock) ring(at int64) {
	c.ends[at%clockTicks].Store(false)
	c.next.Store(unset)
	for tick := at + 1; tick < at+clockTicks; tick++ {
		if c.ends[tick%clockTicks].Load() {
			c.set(tick)
			return
		}
	}
}

// set sets the timer to a tick; mu is held.
func (c *Clock) set(tick int64) {
	in := max(time.Duration(tick)*clockTick-time.Since(c.begun), 1)
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(in.Nanoseconds())}
	conn, err := c.timer.SyscallConn()
	if err != nil {
		return // closed
	}
	c.next.Store(tick)
	_ = conn.Control(func(fd uintptr) { _ = unix.TimerfdSettime(int(fd), 0, &spec, nil) })
}
