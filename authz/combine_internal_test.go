package authz

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// What is remembered of callers that are kept apart is bounded, and forgotten: with too
// many, none is combined until then.
func TestApartIsBoundedAndForgets(t *testing.T) {
	var a apart
	for caller := range uint64(maxApart - 1) {
		a.add(caller, 0)
	}
	if !a.has(1, 0) || a.has(maxApart, 0) {
		t.Error("before the bound, exactly those are apart that were added")
	}
	for caller := range uint64(3 * maxApart) {
		a.add(caller, 0)
	}
	if len(a.now) != maxApart || !a.has(4*maxApart, 0) {
		t.Errorf("%d callers are remembered", len(a.now))
	}
	if !a.has(1, apartFor) || !a.has(1, 2*apartFor-1) {
		t.Error("a caller was forgotten early")
	}
	if a.has(1, 2*apartFor) || a.has(4*maxApart, 2*apartFor) {
		t.Error("a caller was never forgotten")
	}
}

func TestApartTakesBackWhatWasAdded(t *testing.T) {
	const caller = 1
	for name, c := range map[string]struct {
		added    []time.Duration
		removed  []int // by which of the additions
		at       time.Duration
		combined bool
	}{
		"once":                     {[]time.Duration{0}, []int{0}, 1, true},
		"one of two":               {[]time.Duration{0, 0}, []int{0}, 1, false},
		"both":                     {[]time.Duration{0, 0}, []int{0, 1}, 1, true},
		"in the next turn":         {[]time.Duration{0}, []int{0}, apartFor, true},
		"when it is forgotten":     {[]time.Duration{0, 2 * apartFor}, []int{0}, 2 * apartFor, false},
		"not that of another turn": {[]time.Duration{0, apartFor}, []int{0}, apartFor, false},
		"more often than added":    {[]time.Duration{0}, []int{0, 0}, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			var a apart
			turns := []uint64{}
			for _, at := range c.added {
				turns = append(turns, a.turn(at))
				a.add(caller, at)
			}
			a.turn(c.at)
			for _, i := range c.removed {
				a.remove(caller, turns[i])
			}
			if a.has(caller, c.at) == c.combined {
				t.Errorf("apart: %v", !c.combined)
			}
		})
	}
}

func TestPaceIsBounded(t *testing.T) {
	const timeout = 3 * time.Second
	p := pace{one: maxWait}
	for range 100 {
		p.asked(200 * time.Microsecond)
		p.combined(50, time.Millisecond)
	}
	if p.one < 150*time.Microsecond || p.one > 250*time.Microsecond || p.each > 30*time.Microsecond || p.patience(50, timeout) != minPatience {
		t.Errorf("a fast engine: %+v, patience %v", p, p.patience(50, timeout))
	}
	// A caller may make every batch slow, but not every request.
	for range 1000 {
		p.combined(50, p.patience(50, timeout))
		p.asked(200 * time.Microsecond)
	}
	if got := p.patience(50, timeout); got > 3*minPatience {
		t.Errorf("slow batches: %+v, patience %v", p, got)
	}
	for range 1000 {
		p.asked(time.Second)
		p.slower()
	}
	if got := p.patience(64, timeout); got != maxPatience {
		t.Errorf("a slow engine: patience %v", got)
	}
	if got := p.patience(64, 100*time.Millisecond); got != 25*time.Millisecond {
		t.Errorf("a short timeout: patience %v", got)
	}
	for range 200 {
		p.asked(200 * time.Microsecond)
	}
	if got := p.patience(1, timeout); got != minPatience || p.wait() > 250*time.Microsecond {
		t.Errorf("a fast engine again: patience %v", got)
	}
}

// accused is a batch that was asked again for each of its callers.
func accused(t *testing.T, late bool, callers ...uint64) *combined {
	t.Helper()
	c := &combiner{front: newFronts(&Config{Engine: EngineFunc(nil)}).of[QueryRelation], limit: 50, pace: pace{one: maxWait}, trust: maxTrust}
	b := &combined{combiner: c, patience: minPatience}
	for _, caller := range callers {
		b.flights = append(b.flights, &flight{caller: caller})
	}
	b.accuse(late)

	return b
}

func TestTrial(t *testing.T) {
	const (
		quick = time.Millisecond
		slow  = 6 * time.Millisecond
		long  = 50 * time.Millisecond
	)
	type answers map[uint64][]time.Duration
	for name, c := range map[string]struct {
		late   bool
		alone  answers
		guilty []uint64
		trust  int
		one    time.Duration
	}{
		"one hangs":                       {true, answers{1: {quick}, 2: {quick}, 3: {quick}, 4: {0}}, []uint64{4}, maxTrust, maxWait},
		"one fails":                       {false, answers{1: {quick}, 2: {quick}, 3: {quick}, 4: {never}}, []uint64{4}, maxTrust, maxWait},
		"one of two is slow":              {true, answers{1: {quick}, 2: {long}}, []uint64{2}, maxTrust, maxWait},
		"one query of many":               {true, answers{1: {quick}, 2: {quick}, 3: {quick, quick, never}}, []uint64{3}, maxTrust, maxWait},
		"many queries of one":             {true, answers{1: {quick}, 2: {quick}, 3: {never, never, never, never, never, never}}, []uint64{3}, maxTrust, maxWait},
		"none is slow":                    {true, answers{1: {quick}, 2: {quick}, 3: {quick}, 4: {2 * quick}}, nil, maxTrust - doubtCosts, maxWait},
		"the last of a crowd":             {true, answers{1: {2 * quick}, 2: {2 * quick}, 3: {2 * slow}, 4: {2 * slow}}, nil, maxTrust - doubtCosts, maxWait},
		"all are slow":                    {true, answers{1: {slow}, 2: {long}, 3: {slow}, 4: {0}}, nil, maxTrust, 2 * maxWait},
		"all fail":                        {false, answers{1: {never}, 2: {never}, 3: {never}, 4: {never}}, nil, maxTrust, maxWait},
		"most are slow":                   {true, answers{1: {slow}, 2: {long}, 3: {slow}, 4: {quick}}, []uint64{4}, maxTrust, 2 * maxWait},
		"half are slow":                   {true, answers{1: {quick}, 2: {long}, 3: {quick}, 4: {long}}, []uint64{2, 4}, maxTrust, maxWait},
		"one caller, and all is slow":     {true, answers{1: {slow, slow, long}}, nil, maxTrust, maxWait},
		"one caller, and one query hangs": {true, answers{1: {quick, never}}, nil, maxTrust - doubtCosts, maxWait},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				callers := []uint64{}
				for caller, times := range c.alone {
					callers = append(callers, slices.Repeat([]uint64{caller}, len(times))...)
				}
				b := accused(t, c.late, callers...)
				for caller := range c.alone {
					if !b.combiner.apart.has(caller, 0) {
						t.Errorf("caller %d isn't apart during the trial", caller)
					}
				}
				next := map[uint64]int{}
				for _, f := range b.flights {
					f.alone.Store(int64(c.alone[f.caller][next[f.caller]]))
					next[f.caller]++
				}
				b.judge()
				b.judge()
				for caller := range c.alone {
					if got, want := b.combiner.apart.has(caller, 0), slices.Contains(c.guilty, caller); got != want {
						t.Errorf("caller %d is apart: %v", caller, got)
					}
				}
				if got := b.combiner; got.trust != c.trust || got.pace.one != c.one {
					t.Errorf("trust %d, one %v", got.trust, got.pace.one)
				}
			})
		})
	}
}

// A trial ends, even if some never get an answer.
func TestTrialEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := accused(t, true, 1, 2, 3, 4)
		time.Sleep(time.Millisecond)
		for _, f := range b.flights[1:] {
			b.testify(f, false)
		}
		time.Sleep(trialTimes * minPatience)
		synctest.Wait()
		now := b.combiner.front.clock()
		if a := &b.combiner.apart; !a.has(1, now) || a.has(2, now) || a.has(3, now) {
			t.Error("the one that hangs is apart, and no other")
		}
	})
}

// Five batches that nothing explains end combining for a while; one in twenty-one
// doesn't.
func TestTrust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := accused(t, true, 1).combiner
		for range 100 {
			c.doubt()
			for range doubtCosts {
				c.inTime(2, time.Millisecond)
			}
		}
		if c.alone != 0 {
			t.Fatal("one in twenty-one ended it")
		}
		for i := range maxTrust / doubtCosts {
			if c.alone != 0 {
				t.Errorf("after %d", i)
			}
			c.doubt()
		}
		if c.alone != doubtFor {
			t.Errorf("nothing is combined until %v", c.alone)
		}
	})
}

// A pause of the process isn't taken for a slow engine, so often.
func TestPauseProlongsThePatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			paused time.Duration
			pauses int
			apart  bool
		}{
			"in time":                   {0, maxPauses, true},
			"paused":                    {minPatience, maxPauses, false},
			"paused once more too many": {minPatience, 0, true},
		} {
			b := accused(t, true, 1, 2)
			for _, f := range b.flights {
				f.landing.Store(true) // there is nothing to ask
			}
			time.Sleep(c.paused)
			b.overran(b.combiner.front.clock()-c.paused, c.pauses)
			if b.apart.Load() != c.apart {
				t.Errorf("%s: asked alone: %v", name, !c.apart)
			}
			time.Sleep(minPatience)
			synctest.Wait()
			if !b.apart.Load() {
				t.Error(fmt.Sprint(name, ": never asked alone"))
			}
		}
	})
}
