package httpapi

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// One subject gets half of the places, several get equal shares, and there is a
// place for one more as long as there are fewer subjects than places.
func TestSlotsAreSharedOut(t *testing.T) {
	for subjects, want := range map[int]int{1: 8, 2: 5, 3: 4, 15: 1} {
		s := newSlots(16)
		for round := range 16 {
			for i := range subjects {
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if err := s.acquire(ctx, fmt.Sprint(i)); round == 0 && err != nil {
					t.Errorf("%d subjects: no place for %d", subjects, i)
				}
			}
		}
		for i := range subjects {
			if got := s.held[fmt.Sprint(i)]; got < want || got > want+1 {
				t.Errorf("%d subjects: %d places of subject %d, want %d", subjects, got, i, want)
			}
		}
		if !s.take("another") {
			t.Errorf("%d subjects: no place for another", subjects)
		}
	}
}

// Slow requests of one subject, in any number, don't delay those of another. A waiting
// request gets a turn, one that leaves keeps no place, and in the end all places are
// free.
func TestSlotsOfASlowSubject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(4)
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				if s.acquire(ctx, "slow") == nil {
					time.Sleep(time.Second)
					s.release("slow")
				}
			})
		}
		synctest.Wait()
		for i := range 200 {
			begun := time.Now()
			if err := s.acquire(t.Context(), "quick"); err != nil || time.Since(begun) != 0 {
				t.Fatalf("request %d of another subject: %v after %v", i, err, time.Since(begun))
			}
			time.Sleep(10 * time.Millisecond)
			s.release("quick")
		}
		// A queue behind the places is served by turns.
		var order []int
		for i := range 5 {
			group.Go(func() {
				if s.acquire(t.Context(), "queue") == nil {
					order = append(order, i)
					time.Sleep(time.Millisecond)
					s.release("queue")
				}
			})
			synctest.Wait()
		}
		group.Wait()
		if fmt.Sprint(order) != "[0 1 2 3 4]" {
			t.Errorf("served in the order %v", order)
		}
		if s.free != 4 || len(s.held)+len(s.turns)+len(s.waiting) != 0 {
			t.Errorf("left behind: %d free, %v, %v, %v", s.free, s.held, s.turns, s.waiting)
		}
	})
}

// A subject that is asked to come back later has to wait for that long. All subjects
// have to wait once three in a row were asked to.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pause{base: time.Now()}
		wants := func(what, subject string, want time.Duration) {
			t.Helper()
			if got := p.remaining(subject); got != want {
				t.Errorf("%s: %s waits %v, want %v", what, subject, got, want)
			}
		}
		p.until("a", 20*time.Second)
		p.until("a", time.Second)
		wants("a shorter wait after a longer", "a", 20*time.Second)
		wants("another", "b", 0)
		for range 100 {
			p.until("a", 20*time.Second)
			p.until("b", 10*time.Second)
		}
		wants("two were told", "c", 0)
		p.answered()
		p.until("c", 5*time.Second)
		wants("an answer between", "d", 0)
		p.until("a", 20*time.Second)
		p.until("b", 10*time.Second)
		wants("three were told", "d", 10*time.Second)
		wants("three were told", "a", 20*time.Second)
		time.Sleep(11 * time.Second)
		wants("it is over", "d", 0)
		wants("it is over but for one", "a", 9*time.Second)
		p.until("e", 0)
		p.until("e", -1)
		wants("no wait", "e", 0)
		for i := range 3 * maxPaused {
			p.answered()
			p.until(fmt.Sprint("flood", i), time.Second)
		}
		if len(p.of) > maxPaused || len(p.told) > toldByAll {
			t.Errorf("%d subjects are remembered", len(p.of))
		}
		time.Sleep(10 * time.Second)
		p.until("f", time.Second)
		wants("after a flood", "f", time.Second)
	})
}
