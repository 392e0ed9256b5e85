package verify

import (
	"testing"
	"time"
)

// A caller that looked for a key just before somebody else's fetch brought it
// finds the budget spent and the key there.
func TestKeyThatArrivedSinceTheCallerLooked(t *testing.T) {
	k := &keySet{unknownWait: time.Minute, unknownAt: time.Now().Add(time.Minute)}
	k.init()
	t.Cleanup(k.close)
	brought := &keySnapshot{}
	k.snapshot.Store(&keySnapshot{})
	k.staleAt.Store(int64(instantOf(time.Now().Add(time.Hour))))
	got, err := k.renew(t.Context(), 0, func(s *keySnapshot) bool {
		defer k.snapshot.Store(brought) // after the caller's first look
		return s == brought
	})
	if err != nil || got != brought {
		t.Fatalf("got %v, %v; the key is there", got, err)
	}
}
