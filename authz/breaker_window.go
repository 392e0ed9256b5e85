package authz

import "time"

const (
	// maxCallers is how many callers each half of the window remembers. With more
	// callers, the window is as long as it takes this many of them to ask.
	maxCallers = 256
	// maxObjectsKept is how many objects of one failed request are remembered. It
	// is more than the default of [Config.MaxObjects]. Larger requests are assumed to
	// share an object.
	maxObjectsKept = 128
)

// window counts the requests of the last seconds and their results. It consists of
// the present half and the one before it, so it covers between half and all of its
// length.
type window struct {
	length time.Duration
	// failures is how many failures open a circuit.
	failures int
	now      half
	before   half
}

// half counts the requests of one half of the window, in total and for each caller.
type half struct {
	from     time.Duration
	requests int
	failures int
	callers  map[uint64]*tally
}

// tally counts the requests of one caller.
type tally struct {
	requests int
	failures int
	// lost reports whether the last request failed.
	lost bool
	// about holds the objects of failed requests, sorted for each request. No two
	// requests in it share an object.
	about [][]uint64
	// many is set if a request failed that named too many objects to remember.
	many bool
}

func (w *window) reset() { w.now, w.before = half{}, half{} }

// forget drops what is known of a caller, except its part of the totals.
func (w *window) forget(caller uint64) {
	delete(w.now.callers, caller)
	delete(w.before.callers, caller)
}

func (w *window) answered(caller uint64, now time.Duration) {
	t := w.tally(caller, now)
	t.requests++
	t.lost = false
	w.now.requests++
}

func (w *window) failed(caller uint64, objects []uint64, now time.Duration) {
	t := w.tally(caller, now)
	t.requests++
	t.failures++
	t.lost = true
	switch {
	case objects == nil:
		t.many = true
	case len(t.about) < w.failures && !overlap(t.about, objects):
		t.about = append(t.about, objects)
	}
	w.now.requests++
	w.now.failures++
}

// tally returns a caller's counts in the present half, to count on, and begins a new
// half if needed.
func (w *window) tally(caller uint64, now time.Duration) *tally {
	t := w.now.callers[caller]
	switch age := now - w.now.from; {
	case w.now.callers == nil, age >= w.length:
		w.before = half{}
	case age >= w.length/2, t == nil && len(w.now.callers) >= maxCallers:
		w.before = w.now
	case t != nil:
		return t
	default:
		return w.now.add(caller)
	}
	w.now = half{from: now, callers: map[uint64]*tally{}}

	return w.now.add(caller)
}

func (h *half) add(caller uint64) *tally {
	t := &tally{}
	h.callers[caller] = t

	return t
}

// of returns a copy of a caller's counts.
func (h *half) of(caller uint64) tally {
	if t := h.callers[caller]; t != nil {
		return *t
	}

	return tally{}
}

// callerFails reports whether a caller gets no answers: at least half of its
// requests failed, and enough of the failed ones share no object with another.
func (w *window) callerFails(caller uint64) bool {
	now, before := w.now.of(caller), w.before.of(caller)
	if 2*(now.failures+before.failures) < now.requests+before.requests {
		return false
	}
	many := now.many || before.many
	if known := len(now.about) + len(before.about); known < w.failures && (!many || w.failures > 1) {
		return false
	} else if len(now.about) >= w.failures {
		return true
	}
	about := distinct{}
	for _, sets := range [...][][]uint64{now.about, before.about} {
		for _, objects := range sets {
			about.add(objects)
		}
	}

	return about.reach(w.failures, many)
}

// allFail reports whether the engine answers nearly no caller: at least half of all
// requests failed, the last request failed for more callers than it succeeded for,
// and enough of these callers asked about objects of their own. So one caller
// counts once whatever it asks for, and one object counts once however many callers
// ask for it.
func (w *window) allFail() bool {
	if 2*(w.now.failures+w.before.failures) < w.now.requests+w.before.requests {
		return false
	}
	lost, fine := 0, 0
	for _, t := range w.callers() {
		if t.lost {
			lost++
		} else {
			fine++
		}
	}
	if lost < w.failures || lost <= fine {
		return false
	}
	need := max(w.failures, fine+1)
	about, many := distinct{}, false
	for _, t := range w.callers() {
		if !t.lost {
			continue
		}
		many = many || t.many
		for _, objects := range t.about {
			if about.add(objects) {
				break
			}
		}
		if about.sets >= need {
			return true
		}
	}

	return about.reach(need, many)
}

// callers yields each caller with its newest tally.
func (w *window) callers() func(yield func(uint64, *tally) bool) {
	return func(yield func(uint64, *tally) bool) {
		for caller, t := range w.now.callers {
			if !yield(caller, t) {
				return
			}
		}
		for caller, t := range w.before.callers {
			if _, newer := w.now.callers[caller]; !newer && !yield(caller, t) {
				return
			}
		}
	}
}

// distinct counts sets of objects of which no two share an object.
type distinct struct {
	sets int
	seen map[uint64]struct{}
}

// add counts a set, unless a set that was counted has one of its objects. It
// reports whether it did.
func (d *distinct) add(objects []uint64) bool {
	for _, object := range objects {
		if _, twice := d.seen[object]; twice {
			return false
		}
	}
	if d.seen == nil {
		d.seen = map[uint64]struct{}{}
	}
	for _, object := range objects {
		d.seen[object] = struct{}{}
	}
	d.sets++

	return true
}

// reach reports whether at least need sets were counted. Sets that were too large
// to remember count as one set, and only if there is no other: they may share
// objects with the others.
func (d *distinct) reach(need int, many bool) bool {
	return d.sets >= need || many && need <= 1
}

// overlap reports whether any of the sets has one of the objects. All are sorted.
func overlap(sets [][]uint64, objects []uint64) bool {
	for _, set := range sets {
		for i, j := 0, 0; i < len(set) && j < len(objects); {
			switch {
			case set[i] == objects[j]:
				return true
			case set[i] < objects[j]:
				i++
			default:
				j++
			}
		}
	}

	return false
}
