package httpapi

import (
	"context"
	"slices"
	"sync"
)

// slots bounds the requests under way. A subject may have as many as are still
// free, so that one gets half of them, two get a third each, and the slow queries
// of one subject always leave a place for another. Subjects that wait take turns.
type slots struct {
	mu   sync.Mutex
	free int
	held map[string]int
	// turns are the subjects that wait, each once, and waiting their requests in
	// order of arrival. A subject that holds nothing is never passed over, so no
	// more of them are than there are places.
	turns   []string
	waiting map[string][]chan struct{}
}

func newSlots(n int) *slots {
	return &slots{free: n, held: map[string]int{}, waiting: map[string][]chan struct{}{}}
}

// acquire waits for a place. The error is the context's.
func (s *slots) acquire(ctx context.Context, subject string) error {
	s.mu.Lock()
	if len(s.waiting[subject]) == 0 && s.take(subject) {
		s.mu.Unlock()

		return nil
	}
	ready := make(chan struct{})
	if s.waiting[subject] = append(s.waiting[subject], ready); len(s.waiting[subject]) == 1 {
		s.turns = append(s.turns, subject)
	}
	s.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
	}
	if !s.leave(subject, ready) {
		// Its turn came at the same moment: the next one gets the place.
		s.release(subject)
	}

	return ctx.Err()
}

// leave takes a request out of its queue and reports whether it was there.
func (s *slots) leave(subject string, ready chan struct{}) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.Index(s.waiting[subject], ready)
	if at < 0 {
		return false
	}
	s.drop(subject, at)

	return true
}

// drop takes out a subject's request, and with its last one its turn.
func (s *slots) drop(subject string, at int) {
	if s.waiting[subject] = slices.Delete(s.waiting[subject], at, at+1); len(s.waiting[subject]) == 0 {
		delete(s.waiting, subject)
		s.turns = slices.DeleteFunc(s.turns, func(other string) bool { return other == subject })
	}
}

// release gives a place back, to the next subject that may have it.
func (s *slots) release(subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free++
	if s.held[subject]--; s.held[subject] == 0 {
		delete(s.held, subject)
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

// take takes a place if the subject may have one more.
func (s *slots) take(subject string) bool {
	if s.held[subject] >= s.free {
		return false
	}
	s.free--
	s.held[subject]++

	return true
}
