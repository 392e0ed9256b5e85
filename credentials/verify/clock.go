package verify

import (
	"sync/atomic"
	"time"
)

// clockSync is how often a clock reads the wall clock. It bounds the time until
// a suspended system, or a change of the time, is noticed.
const clockSync = time.Second

// clock returns the wall-clock time in half the time that time.Now takes, which
// matters for a cache hit: it reads the monotonic clock, and the wall clock
// once in clockSync.
type clock struct {
	base   time.Time
	offset atomic.Int64 // difference of the wall clock from the monotonic one, in nanoseconds
	synced atomic.Int64 // when offset was measured, on the monotonic clock, in nanoseconds
}

func newClock() *clock {
	c := &clock{base: time.Now()}
	c.sync(0)
	return c
}

func (c *clock) now() instant {
	elapsed := int64(time.Since(c.base))
	offset := c.offset.Load()
	if elapsed-c.synced.Load() >= int64(clockSync) {
		offset = c.sync(elapsed)
	}
	return instant((offset + elapsed) / int64(time.Microsecond))
}

func (c *clock) sync(elapsed int64) int64 {
	now := time.Now()
	offset := now.UnixNano() - int64(now.Sub(c.base))
	c.offset.Store(offset)
	c.synced.Store(elapsed)
	return offset
}
