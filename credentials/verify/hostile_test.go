package verify

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/credentials/credentialstest"
)

// Anyone can send a token full of scopes: it is decoded before its signature is
// checked. Sixteen times the scopes may cost sixteen times the work, with room
// for noise; comparing each with each would cost 256 times.
func TestManyScopesAreLinearWork(t *testing.T) {
	for name, join := range map[string]func([]string) string{
		"string": func(list []string) string { return jsonOf(object{"scope": strings.Join(list, " ")}) },
		"array":  func(list []string) string { return jsonOf(object{"scope": list}) },
	} {
		t.Run("row 14: "+name, func(t *testing.T) {
			cost := func(n int) time.Duration {
				list := make([]string, n)
				for i := range list {
					list[i] = strconv.Itoa(10_000_000 + i)
				}
				text := join(list)
				best := time.Hour
				for range 20 {
					start := time.Now()
					c, refused := decodeClaims(text)
					best = min(best, time.Since(start))
					if refused != nil || len(c.scopes) != n {
						t.Fatal(refused)
					}
				}
				return best
			}
			if few, many := cost(500), cost(8000); many > 80*few {
				t.Errorf("500 scopes take %v, 8000 take %v", few, many)
			}
		})
	}
}

func TestScopesAreDistinct(t *testing.T) {
	for _, scope := range []any{"a b a  b", []string{"a", "b", "a", ""}} {
		c, refused := decodeClaims(jsonOf(object{"scope": scope}))
		if refused != nil || strings.Join(c.scopes, ",") != "a,b" {
			t.Errorf("row 22: %v gives %q, %v", scope, c.scopes, refused)
		}
	}
}

// An attacker can make up many long tokens: the cache of inactive tokens holds
// fingerprints, not the tokens.
func TestInactiveTokensAreNotKept(t *testing.T) {
	issuer, in := memoryIntrospection(t)
	long := strings.Repeat("x", defaultMaxTokenBytes-1)
	for i := range 3 {
		refuse(t, in, long+strconv.Itoa(i), "row 39: made up", tokenInvalid)
		refuse(t, in, long+strconv.Itoa(i), "row 39: remembered", tokenInvalid)
	}
	if n := issuer.Requests(introspectAt); n != 3 {
		t.Errorf("row 39: %d requests, want 3", n)
	}
	for e := range in.inactive.entries.All() {
		if len(e.Key()) > 64 {
			t.Errorf("row 39: %d bytes of a made-up token are kept", len(e.Key()))
		}
	}
}

func TestIntrospectionClosedAnswersNothing(t *testing.T) {
	issuer, in := memoryIntrospection(t)
	good := issuer.MintOpaque(nil)
	accept(t, in, good, "before Close")
	refuse(t, in, "made-up", "before Close", tokenInvalid)
	in.Close()
	refuse(t, in, good, "remembered, after Close", unavailableNow)
	refuse(t, in, "made-up", "remembered, after Close", unavailableNow)
}

func TestVerifiersDontPrintTokens(t *testing.T) {
	const token = "a-token-that-is-being-asked-about"
	_, in := memoryIntrospection(t)
	in.calls.byToken[introspectionKey{token: token}] = &introspectionCall{}
	for _, format := range []string{"%v", "%+v", "%#v"} {
		if text := fmt.Sprintf(format, in); strings.Contains(text, token) {
			t.Errorf("%s prints a token", format)
		}
	}
}

// exits is a transport that ends its goroutine, as a test's Fatal does.
type exits struct{}

func (exits) RoundTrip(*http.Request) (*http.Response, error) {
	runtime.Goexit()
	return nil, nil //nolint:nilnil // unreachable
}

func TestCodeThatEndsItsGoroutine(t *testing.T) {
	client := &http.Client{Transport: exits{}}
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t, func(c *IntrospectionConfig) { c.HTTPClient = client })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for range 2 * queueFactor {
			if _, err := in.Verify(ctx, issuer.MintOpaque(nil), Requirements{}); err == nil || ctx.Err() != nil {
				t.Fatalf("introspection: %v", err)
			}
		}
		v := verifierOf(t, issuer, func(c *JWTConfig) { c.HTTPClient = client })
		if _, err := v.Verify(ctx, issuer.Mint(nil), Requirements{}); err == nil || ctx.Err() != nil {
			t.Errorf("keys: %v", err)
		}
	})
}

// A firewall before the endpoint answers 403 to a token that it takes for an
// attack. Whoever sends one must not stop all others.
func TestRefusedTokenStopsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		issuer.Script(introspectAt, credentialstest.HTML(http.StatusForbidden))
		refuse(t, in, "../../etc/passwd", "row 38: 403", unavailableNow)
		accept(t, in, issuer.MintOpaque(nil), "row 38: another token")
	})
}

func TestHybridNarrowsByEitherScopeClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
		h := hybridOf(t, issuer)
		token := issuer.Mint(object{"scope": "a b"})
		issuer.Script(introspectAt, credentialstest.Alter(object{"scope": nil, "scp": []string{"a"}}))
		p, err := h.Verify(t.Context(), token, introspected)
		if err != nil || !p.HasScope("a") || p.HasScope("b") {
			t.Errorf("%v, %v", p.Scopes(), err)
		}
	})
}

// A request has its time from when it is sent: a queue of made-up tokens must
// not make a healthy endpoint look slow, and open the breaker for everyone.
func TestQueueDoesNotOpenTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t, func(c *IntrospectionConfig) { c.MaxConcurrent, c.Timeout = 8, time.Second })
		issuer.Script(introspectAt, credentialstest.Always(credentialstest.Delay(400*time.Millisecond)))
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() { _, _ = in.Verify(t.Context(), "made-up-"+strconv.Itoa(i), Requirements{}) })
		}
		wg.Wait()
		accept(t, in, issuer.MintOpaque(nil), "row 38: after the queue")
	})
}
