package verify

import (
	"sync/atomic"
	"time"
)

// clockSync is how often a clock looks at the wall. A system that was suspended,
// or whose time was set, is noticed within it.
const clockSync = time.Second

// clock tells the wall-clock time in half the time that time.Now takes, which a
// hit in the cache would notice: it reads the monotonic clock, and the wall
// clock once in clockSync.
type clock struct {
	base   time.Time
	offset atomic.Int64 // of the wall clock from the monotonic one, in nanoseconds
	synced atomic.Int64 // when that was found out, on the monotonic one
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
