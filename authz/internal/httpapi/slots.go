package httpapi

import (
	"context"
	"slices"
	"sync"
)

// slots bounds the requests at once. A caller may have as many places as are still
// free, so that one caller gets half of them, two get a third each, and the slow
// queries of one caller always leave a place for another. Callers that wait take turns.
type slots struct {
	mu   sync.Mutex
	free int
	held map[string]int
	// turns are the callers that wait, each once, and waiting their requests in
	// order of arrival. A caller without a place is never passed over, so that
	// release passes over at most as many callers as there are places.
	turns   []string
	waiting map[string][]chan struct{}
}

func newSlots(n int) *slots {
	return &slots{free: n, held: map[string]int{}, waiting: map[string][]chan struct{}{}}
}

// acquire waits for a place. The error is the context's.
func (s *slots) acquire(ctx context.Context, caller string) error {
	s.mu.Lock()
	if len(s.waiting[caller]) == 0 && s.take(caller) {
		s.mu.Unlock()

		return nil
	}
	ready := make(chan struct{})
	if s.waiting[caller] = append(s.waiting[caller], ready); len(s.waiting[caller]) == 1 {
		s.turns = append(s.turns, caller)
	}
	s.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
	}
	if !s.leave(caller, ready) {
		// Its turn came at the same moment: the next one gets the place.
		s.release(caller)
	}

	return ctx.Err()
}

// leave removes a request from its queue and reports whether it was there.
func (s *slots) leave(caller string, ready chan struct{}) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.Index(s.waiting[caller], ready)
	if at < 0 {
		return false
	}
	s.drop(caller, at)

	return true
}

// drop removes a caller's request, and with its last request the caller's turn.
func (s *slots) drop(caller string, at int) {
	if s.waiting[caller] = slices.Delete(s.waiting[caller], at, at+1); len(s.waiting[caller]) == 0 {
		delete(s.waiting, caller)
		s.turns = slices.DeleteFunc(s.turns, func(other string) bool { return other == caller })
	}
}

// release passes a place on to the next caller that may have it, or frees it.
func (s *slots) release(caller string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free++
	if s.held[caller]--; s.held[caller] == 0 {
		delete(s.held, caller)
	}
	for i, next := range s.turns {
		if !s.take(next) {
			continue
		}
		close(s.waiting[next][0])
		s.turns = append(slices.Delete(s.turns, i, i+1), next)
		s.drop(next, 0)

		return
	}
}

// take takes a place if the caller may have one more.
func (s *slots) take(caller string) bool {
	if s.held[caller] >= s.free {
		return false
	}
	s.free--
	s.held[caller]++

	return true
}
