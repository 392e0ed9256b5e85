package authz

import (
	"testing"
	"testing/synctest"
	"time"
)

// A flight that others have joined, and that another goroutine asks for then, has only
// the timeout of that request.
func TestDetachedFlightIsNotWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		front := newFronts(&Config{Engine: EngineFunc(nil), Timeout: time.Second}).of[QueryRelation]
		front.inline.running.Store(1)
		f := &flight{front: front, inline: true, done: make(chan struct{})}
		front.mu.Lock()
		f.join()
		front.mu.Unlock()
		f.detach()
		time.Sleep(2 * time.Second)
		if f.landing.Load() || front.inline.running.Load() != 0 {
			t.Errorf("landed %v, %d inline", f.landing.Load(), front.inline.running.Load())
		}
		f.land(nil, errGone)
	})
}
