package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/usher-auth/usher/credentials"
)

// ledger records, for any time, the result that a caller must get: which relations
// held, and when the engine was down. It is written before a change begins and after
// it is done, so that any result in between is allowed.
type ledger struct {
	mu      sync.Mutex
	granted map[string]bool
	changed map[string]time.Time // when it was last changed; zero: never
	away    bool
	back    time.Time
	settle  time.Duration // how long a change may take to show, as documented
	recover time.Duration // how long the engine may be missed after it is back
}

// verdict is what is certain about a call: granted, denied, or neither.
type verdict uint8

const (
	either verdict = iota
	mustGrant
	mustDeny
)

// before is called when a call starts. The function that it returns is called after
// the call, and returns what was certain all the time.
func (l *ledger) before(id string) func() (v verdict, mayMiss bool) {
	start := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	away := l.away || start.Sub(l.back) < l.recover
	granted, settled := l.granted[id], start.Sub(l.changed[id]) > l.settle
	return func() (verdict, bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		mayMiss := away || l.away || !l.back.Before(start)
		switch {
		case !settled || l.changed[id].After(start):
			return either, mayMiss
		case granted:
			return mustGrant, mayMiss
		}
		return mustDeny, mayMiss
	}
}

// fetches knows when the tokens in use were asked for. The zero value is ready.
type fetches struct {
	mu    sync.Mutex
	begun map[string][]time.Time // by client, one for each of its credentials
}

// observer watches one more credentials of a client.
func (f *fetches) observer(id string) credentials.Observer {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.begun == nil {
		f.begun = map[string][]time.Time{}
	}
	i := len(f.begun[id])
	f.begun[id] = append(f.begun[id], time.Time{})
	return credentials.Observer{FetchEnded: func(e credentials.FetchEnded) {
		if e.Err != nil {
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.begun[id][i] = time.Now().Add(-e.Duration)
	}}
}

// oldest is when the oldest token that a client has in use was asked for; zero if
// that isn't known.
func (f *fetches) oldest(id string) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.MinFunc(f.begun[id], time.Time.Compare)
}

// change makes a change of a relation: nothing is certain from its begin on,
// until settle after its end.
func (l *ledger) change(id string, granted bool, do func()) {
	mark := func(at time.Time) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.granted[id], l.changed[id] = granted, at
	}
	mark(time.Now().Add(time.Hour)) // unsettled while it lasts
	do()
	mark(time.Now())
}

// outage stops the engine for as long as wait runs.
func (l *ledger) outage(down, wait, up func()) {
	l.mu.Lock()
	l.away = true
	l.mu.Unlock()
	down()
	wait()
	up()
	l.mu.Lock()
	l.away, l.back = false, time.Now()
	l.mu.Unlock()
}

// tally counts what came of calls.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
	wrong  []string
}

func (t *tally) add(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[what]++
}

// blame records what must not have been; the first few are kept in full.
func (t *tally) blame(what, detail string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[what]++
	if len(t.wrong) < 20 {
		t.wrong = append(t.wrong, what+": "+detail)
	}
}

func (t *tally) get(what string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts[what]
}

func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var text strings.Builder
	for _, what := range slices.Sorted(maps.Keys(t.counts)) {
		fmt.Fprintf(&text, "\n  %-40s %8d", what, t.counts[what])
	}
	return text.String()
}
