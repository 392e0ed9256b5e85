package authz

import "time"

const (
	// apartFor is how long a caller isn't combined with others at least, and at most
	// twice as long.
	apartFor = 10 * time.Second
	// maxApart bounds how many callers are remembered; with more, nobody is combined
	// until they are forgotten.
	maxApart = 4096
)

// apart holds the callers that aren't combined with others for a while.
type apart struct {
	// from is when the present half began.
	from        time.Duration
	now, before map[uint64]struct{}
}

func (a *apart) turn(now time.Duration) {
	switch age := now - a.from; {
	case age >= 2*apartFor:
		a.now, a.before, a.from = nil, nil, now
	case age >= apartFor:
		a.now, a.before, a.from = nil, a.now, now
	}
}

func (a *apart) has(caller uint64, now time.Duration) bool {
	a.turn(now)
	if len(a.now) >= maxApart || len(a.before) >= maxApart {
		return true
	}
	_, present := a.now[caller]
	_, past := a.before[caller]

	return present || past
}

func (a *apart) add(caller uint64, now time.Duration) {
	a.turn(now)
	if len(a.now) >= maxApart {
		return
	}
	if a.now == nil {
		a.now = map[uint64]struct{}{}
	}
	a.now[caller] = struct{}{}
}
