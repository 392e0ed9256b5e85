package verify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/credentials/credentialstest"
)

func TestPositiveEntryNeverOutlivesExp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t, func(c *IntrospectionConfig) { c.Leeway = NoLeeway; c.PositiveTTL = time.Hour })
		token := issuer.MintOpaque(object{"exp": time.Now().Unix() + 5})
		accept(t, in, token, "row 39: before exp")
		time.Sleep(5*time.Second - time.Millisecond)
		accept(t, in, token, "row 39: just before exp")
		if n := issuer.Requests(introspectAt); n != 1 {
			t.Errorf("row 39: %d requests", n)
		}
		time.Sleep(time.Millisecond)
		refuse(t, in, token, "row 39: at exp", tokenInvalid)
	})
}

// The leeway lets a fresh answer pass whose exp has just passed by our clock. It
// doesn't keep an old one: the issuer is asked again at exp.
func TestLeewayDoesNotKeepAnEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t, func(c *IntrospectionConfig) { c.PositiveTTL = time.Hour })
		exp := time.Now().Unix() + 5
		body := jsonOf(object{"active": true, "sub": "alice", "client_id": "web", "aud": credentialstest.DefaultAudience, "exp": exp})
		issuer.Script(introspectAt, credentialstest.Always(credentialstest.Body(200, "application/json", body)))
		for range 3 {
			p := accept(t, in, "opaque", "row 39: before exp")
			if want := time.Unix(exp, 0).Add(defaultLeeway); !p.ValidUntil().Equal(want) {
				t.Errorf("row 39: valid until %v, want %v", p.ValidUntil(), want)
			}
			time.Sleep(time.Second)
		}
		if n := issuer.Requests(introspectAt); n != 1 {
			t.Errorf("row 39: %d requests before exp", n)
		}
		time.Sleep(2 * time.Second)
		for i := range 3 {
			accept(t, in, "opaque", "row 39: active by the issuer's clock")
			if n := issuer.Requests(introspectAt); n != 2+i {
				t.Errorf("row 39: the entry outlives exp: %d requests, want %d", n, 2+i)
			}
		}
		issuer.Script(introspectAt, credentialstest.Body(200, "application/json", `{"active":false}`))
		refuse(t, in, "opaque", "row 39: the issuer says that it has ended", tokenInvalid)
	})
}

// An answer is as old as the question.
func TestEntryLivesFromWhenItWasAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		issuer.Script(introspectAt, credentialstest.Delay(4*time.Second))
		token := issuer.MintOpaque(nil)
		accept(t, in, token, "row 39: slowly")
		issuer.Revoke(token)
		time.Sleep(defaultPositiveTTL - 4*time.Second - time.Millisecond)
		accept(t, in, token, "row 39: within the time")
		time.Sleep(time.Millisecond)
		refuse(t, in, token, "row 39: a minute after the question", tokenInvalid)
	})
}

func TestNegativeEntryIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		token := issuer.MintOpaque(nil)
		issuer.Script(introspectAt, credentialstest.Body(200, "application/json", `{"active":false}`))
		for range 100 {
			refuse(t, in, token, "row 39: inactive", tokenInvalid)
		}
		time.Sleep(defaultNegativeTTL - time.Millisecond)
		refuse(t, in, token, "row 39: still", tokenInvalid)
		if n := issuer.Requests(introspectAt); n != 1 {
			t.Errorf("row 39: %d requests", n)
		}
		time.Sleep(time.Millisecond)
		accept(t, in, token, "row 39: asked again")
	})
}

func TestManyCallersWithOneToken(t *testing.T) {
	issuer := credentialstest.NewIssuer(t, credentialstest.Config{})
	in := introspectionOf(t, issuer)
	open := make(chan struct{})
	issuer.Script(introspectAt, credentialstest.Gate(open))
	token := issuer.MintOpaque(nil)
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			if _, err := in.Verify(t.Context(), token, Requirements{}); err != nil {
				t.Error(err)
			}
		})
	}
	if err := issuer.Await(t.Context(), introspectAt, 1); err != nil {
		t.Fatal(err)
	}
	close(open)
	wg.Wait()
	if n := issuer.Requests(introspectAt); n != 1 {
		t.Errorf("row 39: %d requests by 1,000 calls with one token", n)
	}
}

func TestTheLeaderOfAnIntrospectionLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		issuer.Script(introspectAt, credentialstest.Delay(time.Second))
		token := issuer.MintOpaque(nil)
		leader, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() {
			_, err := in.Verify(leader, token, Requirements{})
			left <- err
		}()
		synctest.Wait()
		waiter := make(chan error, 1)
		go func() {
			_, err := in.Verify(t.Context(), token, Requirements{})
			waiter <- err
		}()
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("the leader: %v", err)
		}
		if err := <-waiter; err != nil {
			t.Errorf("the waiter: %v", err)
		}
	})
}

func TestMadeUpTokensDontDriveOutGoodOnes(t *testing.T) {
	issuer, in := memoryIntrospection(t, func(c *IntrospectionConfig) { c.CacheSize = 64 })
	good := issuer.MintOpaque(nil)
	accept(t, in, good, "first")
	for i := range 1000 {
		refuse(t, in, fmt.Sprint("made-up-", i), "made up", tokenInvalid)
	}
	before := issuer.Requests(introspectAt)
	accept(t, in, good, "again")
	if issuer.Requests(introspectAt) != before {
		t.Error("the good token's verdict was driven out")
	}
}
