//go:build !linux

package load

import "time"

// Clock leaves sleeps as Go makes them.
type Clock struct{}

// NewClock returns a clock.
func NewClock() (*Clock, error) { return &Clock{}, nil }

// Close does nothing.
func (*Clock) Close() error { return nil }

// Sleep waits for d.
func (*Clock) Sleep(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // this is the work
