package verify

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/credentials/credentialstest"
)

func TestFloodOfUnknownKids(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t)
		accept(t, v, issuer.Mint(nil), "warm")
		stranger := newKey("x", EdDSA)
		flood := func() {
			var wg sync.WaitGroup
			for i := range 200 {
				wg.Go(func() {
					k := &testKey{kid: fmt.Sprint("kid-", i), alg: EdDSA, priv: stranger.priv}
					claims := goodClaims().with(object{"iss": issuer.URL(), "aud": credentialstest.DefaultAudience})
					_, err := v.Verify(t.Context(), k.token(claims), Requirements{})
					switch e, ok := asError(err); {
					case ok && asCause(e) == errKeyUnknown: // the one who asked
					case ok && errors.Is(e, errBudget) && e.RetryAfter > 0 && e.RetryAfter <= defaultUnknownKeyInterval:
					default:
						t.Errorf("row 29: got %v", err)
					}
				})
			}
			wg.Wait()
		}
		for round := range 5 {
			before := issuer.Requests(keysAt)
			start := time.Now()
			flood()
			if n := issuer.Requests(keysAt) - before; n > 1 {
				t.Fatalf("row 29: round %d: %d fetches", round, n)
			}
			flood() // the budget is spent: no fetch and no wait
			if n := issuer.Requests(keysAt) - before; n > 1 {
				t.Fatalf("row 29: round %d: %d fetches in one interval", round, n)
			}
			if d := time.Since(start); d != 0 {
				t.Fatalf("row 29: calls waited %v", d)
			}
			time.Sleep(defaultUnknownKeyInterval)
		}
	})
}

func TestFloodOfBadSignatures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t)
		good := issuer.Mint(nil)
		accept(t, v, good, "warm")
		forger := newKey("f", ES256).priv
		before := issuer.Requests(keysAt)
		bad := func() string { return issuer.MintWith(credentialstest.MintConfig{Signer: forger}) }
		if e := refuse(t, v, bad(), "row 29", tokenInvalid); asCause(e) != errSignature {
			t.Fatalf("row 29: %v", e.Err)
		}
		for range 50 {
			noKid := issuer.MintWith(credentialstest.MintConfig{Signer: forger, Header: map[string]any{"kid": nil}})
			wantWait(t, v, bad(), "row 29")
			wantWait(t, v, noKid, "row 29: without kid")
			accept(t, v, issuer.Mint(nil), "row 29: a good token beside")
		}
		if n := issuer.Requests(keysAt) - before; n > 1 {
			t.Fatalf("row 29: %d fetches", n)
		}
	})
}

func TestCallsThatWaitAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, v := memoryIssuer(t)
		known := issuer.Mint(nil)
		accept(t, v, known, "warm")
		issuer.Script(keysAt, credentialstest.Delay(3*time.Second))
		unknown := issuer.MintWith(credentialstest.MintConfig{Header: map[string]any{"kid": "x"}})
		v.keys.waiting.Store(maxWaiting)
		refuse(t, v, unknown, "row 29: one too many", unavailableNow)
		accept(t, v, issuer.Mint(nil), "row 29: a known key")
		v.keys.waiting.Store(0)
		refuse(t, v, unknown, "row 29: one that may wait", tokenInvalid)
		if n := v.keys.waiting.Load(); n != 0 {
			t.Errorf("%d still count as waiting", n)
		}
	})
}
