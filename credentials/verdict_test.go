package credentials

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	grpccredentials "google.golang.org/grpc/credentials"

	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/credentialstest"
)

func verdictCreds(t *testing.T, i *credentialstest.Issuer, change func(*Config)) *Credentials {
	t.Helper()
	i.AddClient(credentialstest.Client{ID: "a", Secret: "not-a-secret", Opaque: true})
	cfg := Config{TokenURL: i.TokenURL(), ClientID: "a", HTTPClient: i.Client(), Auth: clientauth.SecretBasic(clientauth.Constant("not-a-secret"))}
	if change != nil {
		change(&cfg)
	}
	creds, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { creds.Close() })
	return creds
}

// Verdicts of servers, of callers and of the clock in any order: there is a
// token while one lives, an older one only until the newest was accepted, no
// refresh is forced twice in 30 s, and nothing that a refusal does takes the
// token away.
func TestVerdictsInAnyOrder(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 52))
			life := []time.Duration{time.Minute, 10 * time.Minute, time.Hour, 24 * time.Hour}[seed%4]
			i := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true, Lifetime: life})
			var mu sync.Mutex
			told := 0
			creds := verdictCreds(t, i, func(c *Config) {
				c.Observer.TokenInvalidated = func(TokenInvalidated) {
					mu.Lock()
					told++
					mu.Unlock()
				}
			})
			s := creds.s
			var seen []*token
			var forced []time.Time
			for range 2000 {
				tok, err := creds.token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Contains(seen, tok) {
					seen = append(seen, tok)
				}
				one := seen[len(seen)-1-rnd.IntN(min(3, len(seen)))]
				switch rnd.IntN(12) {
				case 0, 1, 2, 3:
					s.accepted(one)
				case 4, 5, 6:
					s.refused(one.value, ReasonChallenge)
				case 7:
					creds.Invalidate(one.value)
				case 8:
					i.Script(credentialstest.TokenEndpoint, credentialstest.Alter(map[string]any{"access_token": one.value}))
				case 9:
					time.Sleep(life / 20) // its margin: the token is past its time here and there
				default:
					time.Sleep(time.Duration(rnd.IntN(5000)) * time.Millisecond)
				}
				synctest.Wait()
				s.g.mu.Lock()
				cur, newest, older, last := s.current.Load(), s.newest, s.older, s.forced
				s.g.mu.Unlock()
				switch {
				case cur != newest && cur != older, cur == nil && newest != nil:
					t.Fatalf("seed %d: the current token is neither the newest nor the older", seed)
				case older != nil && newest.verdict.Load() == verdictAccepted:
					t.Fatalf("seed %d: an older token beside one that was accepted", seed)
				case older != nil && older.value == newest.value:
					t.Fatalf("seed %d: one token twice", seed)
				case cur != nil && cur.expiry.Before(time.Now()):
					t.Fatalf("seed %d: the current token is past its time", seed)
				case cur == older && cur != nil && newest.verdict.Load() < verdictRefused:
					t.Fatalf("seed %d: an older token is sent instead of a newer one that is good", seed)
				}
				if !last.IsZero() && (len(forced) == 0 || !forced[len(forced)-1].Equal(last)) {
					forced = append(forced, last)
				}
			}
			for n := 1; n < len(forced); n++ {
				if gap := forced[n].Sub(forced[n-1]); gap < forcedInterval {
					t.Errorf("seed %d: forced again after %v", seed, gap)
				}
			}
			if len(forced) < 3 || told == 0 || len(seen) < 3 {
				t.Errorf("seed %d: %d refreshes forced, %d refusals, %d tokens: nothing happened", seed, len(forced), told, len(seen))
			}
		})
	}
}

// A server that is wrong all day doesn't make its clients fetch all day, whether
// others accept the tokens or not: the token endpoint limits all processes of one
// client together. What was right all the while is replaced at once again.
func TestWrongAllDay(t *testing.T) {
	for name, others := range map[string]bool{"the only one": false, "one of ten": true} {
		t.Run("row 52: a server that refuses everything for hours, "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true, Lifetime: 24 * time.Hour})
				creds := verdictCreds(t, i, nil)
				requests := func() int { return i.Requests(credentialstest.TokenEndpoint) }
				for n := range 3 * 3600 {
					tok, err := creds.token(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if others && n%10 > 0 {
						creds.s.accepted(tok)
					} else {
						creds.s.refused(tok.value, ReasonChallenge)
					}
					time.Sleep(time.Second)
					if n == 60 && requests() > 3 {
						t.Errorf("%d token requests in the first minute", requests())
					}
				}
				if n := requests(); n > 3*30+6 || n < 3*20 {
					t.Errorf("%d token requests in 3 h", n)
				}
				time.Sleep(24 * time.Hour) // a token that no refusal asked for
				for range 2 {
					tok, err := creds.token(t.Context())
					if err != nil || !tok.forced.IsZero() {
						t.Fatal(err, "no refusal asked for this token")
					}
					before := requests()
					creds.s.accepted(tok)
					creds.s.refused(tok.value, ReasonChallenge)
					synctest.Wait()
					next := creds.s.current.Load()
					if next.value == tok.value {
						t.Error("not replaced at once")
					}
					creds.s.accepted(next)
					creds.s.refused(next.value, ReasonChallenge)
					time.Sleep(37 * time.Second)
					synctest.Wait()
					if n := requests() - before; n != 2 {
						t.Errorf("%d token requests, want one, and one 30 s to 36 s after it", n)
					}
					time.Sleep(24 * time.Hour)
				}
			})
		})
	}
}

// Tokens that were good for a while are replaced at once, however often: an
// issuer that is restarted each minute isn't a server that is wrong.
func TestRevokedEachMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
		creds := verdictCreds(t, i, nil)
		for n := range 20 {
			tok, err := creds.token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			creds.s.accepted(tok)
			time.Sleep(40 * time.Second)
			creds.s.refused(tok.value, ReasonChallenge)
			creds.s.refused(tok.value, ReasonChallenge) // of a call beside it
			synctest.Wait()
			if creds.s.current.Load().value == tok.value {
				t.Fatalf("token %d wasn't replaced at once", n)
			}
		}
	})
}

// A refusal that arrives when the token's time is over, before its timer ran,
// finds no token.
func TestRefusedAfterItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
		creds := verdictCreds(t, i, nil)
		tok, err := creds.token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		creds.g.wall = func() time.Time { return time.Now().Round(0).Add(2 * time.Hour) } // the machine slept
		creds.s.refused(tok.value, ReasonChallenge)
		if next, err := creds.token(t.Context()); err != nil || next.value == tok.value {
			t.Errorf("%v", err)
		}
	})
}

// A call that is refused after Close, or with a token that has given way, tells
// nothing.
func TestRefusalsThatComeTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
		told := 0
		creds := verdictCreds(t, i, func(c *Config) { c.Observer.TokenInvalidated = func(TokenInvalidated) { told++ } })
		tok, err := creds.token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		creds.s.refused("another", ReasonChallenge)
		creds.Close()
		creds.s.refused(tok.value, ReasonChallenge)
		creds.s.accepted(tok)
		if told != 0 || creds.s.next(t.Context(), tok) != nil || i.Requests(credentialstest.TokenEndpoint) != 1 {
			t.Errorf("%d refusals told, %d requests", told, i.Requests(credentialstest.TokenEndpoint))
		}
	})
}

// What the caller of Invalidate knows isn't changed by a server, nor by an
// endpoint that gives the same token again.
func TestInvalidatedStaysBad(t *testing.T) {
	const endpoint = credentialstest.TokenEndpoint
	current := func(creds *Credentials) string { return creds.s.current.Load().value }
	t.Run("row 52: an acceptance doesn't clear it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
			creds := verdictCreds(t, i, nil)
			for range 2 { // the second may force nothing yet
				tok, err := creds.token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				creds.Invalidate(tok.value)
				synctest.Wait()
			}
			bad := creds.s.current.Load()
			creds.s.refused(bad.value, ReasonChallenge)
			creds.s.accepted(bad)
			creds.s.accepted(&token{value: bad.value}) // of a call from before the endpoint gave it again
			time.Sleep(37 * time.Second)
			synctest.Wait()
			if n := i.Requests(endpoint); n != 3 || current(creds) == bad.value {
				t.Errorf("%d requests, still in use: %v", n, current(creds) == bad.value)
			}
		})
	})
	t.Run("row 52: the older token goes on, and the refresh isn't forgotten for that", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
			creds := verdictCreds(t, i, nil)
			old, err := creds.token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			creds.s.accepted(old)
			time.Sleep(49 * time.Minute)
			synctest.Wait()
			renewed := current(creds)
			creds.s.refused(renewed, ReasonChallenge)
			if renewed == old.value || current(creds) != old.value {
				t.Fatal("the older token isn't in use")
			}
			i.Script(endpoint, credentialstest.Alter(map[string]any{"access_token": renewed}))
			creds.Invalidate(renewed)
			synctest.Wait()
			if n := i.Requests(endpoint); n != 3 || current(creds) != old.value {
				t.Fatalf("%d requests; the token that was given again is in use: %v", n, current(creds) == renewed)
			}
			creds.Invalidate(renewed)
			creds.s.refused(old.value, ReasonChallenge)
			creds.s.accepted(old)
			time.Sleep(37 * time.Second)
			synctest.Wait()
			if n := i.Requests(endpoint); n != 4 || current(creds) == old.value || current(creds) == renewed {
				t.Errorf("%d requests, the old token is in use: %v", n, current(creds) == old.value)
			}
		})
	})
}

// A replay carries the token that it was promised, whatever became the current
// one meanwhile.
func TestReplayCarriesTheOtherToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
		creds := verdictCreds(t, i, nil)
		creds.g.transport.mesh = []string{"docs.test"}
		if _, err := creds.token(t.Context()); err != nil {
			t.Fatal(err)
		}
		record := creds.newCall(grpccredentials.NewContextWithRequestInfo(t.Context(), grpccredentials.RequestInfo{}))
		record.pinned = &token{header: map[string]string{"authorization": "Bearer other"}}
		header, err := creds.GetRequestMetadata(record, "https://docs.test/docs.v1.Docs")
		if err != nil || header["authorization"] != "Bearer other" || record.carried() != record.pinned {
			t.Error(header, err)
		}
	})
}
