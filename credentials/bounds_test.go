package credentials

import (
	"fmt"
	"testing"

	"google.golang.org/grpc/peer"
)

// What servers refuse is remembered in bounded memory: the newest tokens, and
// for one token the first authorities.
func TestWhatIsRefusedIsBounded(t *testing.T) {
	s := &source{}
	for i := range 1000 {
		s.remember(fmt.Sprint("token ", i))
		s.remember(fmt.Sprint("token ", i))
	}
	if len(s.dropped) != maxDropped || cap(s.dropped) > 4*maxDropped {
		t.Errorf("%d tokens are remembered in %d places, want %d", len(s.dropped), cap(s.dropped), maxDropped)
	}
	for i := range 1000 {
		if got, want := s.isDropped(fmt.Sprint("token ", i)), i >= 1000-maxDropped; got != want {
			t.Fatalf("token %d: remembered %t, want %t", i, got, want)
		}
	}
	tok := &token{}
	for i := range 1000 {
		if got, want := tok.refuse(fmt.Sprint("authority ", i)), i < maxRefusals; got != want {
			t.Fatalf("authority %d: %t, want %t", i, got, want)
		}
	}
	if !tok.refuse("authority 0") || len(*tok.refused.Load()) != maxRefusals {
		t.Error("an authority that is remembered is forgotten, or counts twice")
	}
}

func TestPeerWithoutAnAddressIsNotLocal(t *testing.T) {
	if isLocalPeer(&peer.Peer{}) {
		t.Error("a peer of unknown address passes for a local one")
	}
}
