package authz

import (
	"sync"
	"sync/atomic"
)

// maxOverdue bounds the requests that run on after their timeout. Without it, an
// engine that hangs would cost the process a goroutine for each call.
const maxOverdue = 1000

// overdue counts the requests that run on after their timeout, in an engine that
// ignores its context, in total and for each caller.
type overdue struct {
	total atomic.Int64

	mu sync.Mutex
	of map[uint64]int64
}

// admits reports whether a caller may ask. A caller may have as many overdue
// requests as there are free places: one caller gets half of them, two get a third
// each, and there is always a place for one more caller.
func (o *overdue) admits(caller uint64) bool {
	total := o.total.Load()
	if total <= 0 {
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()

	return o.of[caller] < maxOverdue-total
}

func (o *overdue) add(caller uint64, n int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.total.Add(n)
	if o.of == nil {
		o.of = map[uint64]int64{}
	}
	if o.of[caller] += n; o.of[caller] == 0 {
		delete(o.of, caller)
	}
}
