package authz

import "time"

const (
	// apartFor is how long a caller isn't combined with others at least, and at most
	// twice as long.
	apartFor = 10 * time.Second
	// maxApart bounds how many callers are remembered in apartFor; with more, none is
	// combined until they are forgotten.
	maxApart = 4096
)

// apart holds the callers that aren't combined with others for a while, each with how
// often it was added.
type apart struct {
	// from is when the present turn began, turns how many there were.
	from        time.Duration
	turns       uint64
	now, before map[uint64]int
}

// turn forgets what is old, and returns the present turn.
func (a *apart) turn(now time.Duration) uint64 {
	switch age := now - a.from; {
	case age >= 2*apartFor:
		a.now, a.before, a.from = nil, nil, now
		a.turns += 2
	case age >= apartFor:
		a.now, a.before = nil, a.now
		a.from += apartFor
		a.turns++
	}

	return a.turns
}

func (a *apart) has(caller uint64, now time.Duration) bool {
	a.turn(now)

	return len(a.now) >= maxApart || len(a.before) >= maxApart || a.now[caller] > 0 || a.before[caller] > 0
}

func (a *apart) add(caller uint64, now time.Duration) {
	a.turn(now)
	if a.now == nil {
		a.now = map[uint64]int{}
	}
	if a.now[caller] > 0 || len(a.now) < maxApart {
		a.now[caller]++
	}
}

// remove takes back what was added in a turn, once.
func (a *apart) remove(caller, turn uint64) {
	of := a.now
	switch turn {
	case a.turns:
	case a.turns - 1:
		of = a.before
	default:
		return
	}
	switch of[caller] {
	case 0:
	case 1:
		delete(of, caller)
	default:
		of[caller]--
	}
}
