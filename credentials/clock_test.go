package credentials

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/credentialstest"
)

// A token that may have expired while the machine slept isn't sent, even when
// there is no other.
func TestSleptThroughExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
		i.AddClient(credentialstest.Client{ID: "a", Secret: "not-a-secret"})
		creds, err := New(Config{TokenURL: i.TokenURL(), ClientID: "a", HTTPClient: i.Client(), Auth: clientauth.SecretBasic(clientauth.Constant("not-a-secret"))})
		if err != nil {
			t.Fatal(err)
		}
		defer creds.Close()
		var offset atomic.Int64
		creds.g.wall = func() time.Time { return time.Now().Round(0).Add(time.Duration(offset.Load())) }
		if err := creds.Ready(context.Background()); err != nil {
			t.Fatal(err)
		}
		i.Down()
		offset.Store(int64(2 * time.Hour))
		time.Sleep(2 * time.Minute)
		if err := creds.Ready(context.Background()); err == nil {
			t.Fatal("the expired token is served")
		}
	})
}

// TestClocks moves the wall clock away from the monotonic one, which the
// machine's sleep and a clock that is set both do.
func TestClocks(t *testing.T) {
	for name, c := range map[string]struct {
		jump     time.Duration
		requests int // after the jump, within two minutes
	}{
		"set forward past the expiry, or slept through it": {2 * time.Hour, 2},
		"set forward past the refresh":                     {50 * time.Minute, 2},
		"set forward a little":                             {20 * time.Minute, 1},
		"set back":                                         {-10 * 365 * 24 * time.Hour, 1},
	} {
		t.Run("row 51: the wall clock jumps: "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
				i.AddClient(credentialstest.Client{ID: "a", Secret: "not-a-secret"})
				creds, err := New(Config{
					TokenURL: i.TokenURL(), ClientID: "a", HTTPClient: &http.Client{Transport: i.Client().Transport},
					Auth: clientauth.SecretBasic(clientauth.Constant("not-a-secret")),
				})
				if err != nil {
					t.Fatal(err)
				}
				defer creds.Close()
				var offset atomic.Int64
				creds.g.wall = func() time.Time { return time.Now().Round(0).Add(time.Duration(offset.Load())) }
				first, err := creds.Token(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				offset.Store(int64(c.jump))
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				second, err := creds.Token(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				if n := i.Requests(credentialstest.TokenEndpoint); n != c.requests {
					t.Errorf("%d requests, want %d", n, c.requests)
				}
				if renewed := first.AccessToken != second.AccessToken; renewed != (c.requests == 2) {
					t.Errorf("renewed: %v", renewed)
				}
				// Whatever the wall clock says, the token dies in its own time.
				time.Sleep(61 * time.Minute)
				third, err := creds.Token(context.Background())
				if err != nil || third.AccessToken == first.AccessToken {
					t.Error("the first token outlived its lifetime", err)
				}
			})
		})
	}
}
