package authz

import (
	"errors"
	"testing"
)

// A flight whose call has ended, and for which nobody waits, is found by nobody either;
// one that somebody waits for goes on for a call that has left.
func TestHandOver(t *testing.T) {
	for name, joined := range map[string]bool{"alone": false, "joined": true} {
		t.Run(name, func(t *testing.T) {
			front := newFronts(&Config{Engine: EngineFunc(nil)}).of[QueryRelation]
			f := &flight{front: front, caller: 7, shared: true, inline: true, joined: joined, done: make(chan struct{})}
			f.seats = []seat{{flight: f, key: "a", shared: true}}
			front.inFlight[flightKey{7, "a"}] = &f.seats[0]
			if got := f.handOver(); got != joined {
				t.Errorf("goes on: %v", got)
			}
			if _, found := front.inFlight[flightKey{7, "a"}]; found != joined || (front.left[7] == 1) != joined {
				t.Errorf("found %v, left %d", found, front.left[7])
			}
			// Another flight for the same query is left alone.
			other := &seat{key: "a"}
			if !joined {
				front.inFlight[flightKey{7, "a"}] = other
			}
			f.land(nil, errors.New("ended"))
			if at := front.inFlight[flightKey{7, "a"}]; joined && at != nil || !joined && at != other {
				t.Errorf("the seat is %v", at)
			}
			if len(front.left) != 0 {
				t.Errorf("left: %v", front.left)
			}
		})
	}
}

// A flight that isn't sent gives its place back.
func TestRefusedFlightGivesItsPlaceBack(t *testing.T) {
	front := newFronts(&Config{Engine: EngineFunc(nil)}).of[QueryRelation]
	front.inline.able.Store(true)
	front.inline.quick.Store(true)
	for range 2 * maxInline {
		if !front.inline.take() {
			t.Fatal("no place")
		}
		f := &flight{front: front, inline: true, done: make(chan struct{})}
		f.refuse(&EngineError{})
		<-f.done
	}
}
