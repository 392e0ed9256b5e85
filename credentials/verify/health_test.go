package verify

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/credentialstest"
	"github.com/usher-auth/usher/internal/retryafter"
)

// Once the endpoint has refused our credentials, what waits in the queue has
// nothing to ask.
func TestRefusedCredentialsStopTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		issuer.Script(introspectAt, credentialstest.Always(credentialstest.Delay(100*time.Millisecond, credentialstest.Error(401, "invalid_client"))))
		var wg sync.WaitGroup
		for range 1000 {
			token := issuer.MintOpaque(nil)
			wg.Go(func() {
				if _, err := in.Verify(t.Context(), token, Requirements{}); err == nil {
					t.Error("row 38: accepted")
				}
			})
		}
		wg.Wait()
		if n := issuer.Requests(introspectAt); n > defaultMaxConcurrent+1 {
			t.Errorf("row 38: %d requests with refused credentials, want at most %d and a probe", n, defaultMaxConcurrent)
		}
	})
}

// The same for a pause that the endpoint asks for.
func TestPauseStopsTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		issuer.Script(introspectAt, credentialstest.Always(credentialstest.Delay(100*time.Millisecond, credentialstest.Status(429, "60"))))
		var wg sync.WaitGroup
		for range 1000 {
			token := issuer.MintOpaque(nil)
			wg.Go(func() { _, _ = in.Verify(t.Context(), token, Requirements{}) })
		}
		wg.Wait()
		if n := issuer.Requests(introspectAt); n > defaultMaxConcurrent {
			t.Errorf("row 38: %d requests, want at most %d", n, defaultMaxConcurrent)
		}
	})
}

// odd answers are given to one token, and say nothing of the endpoint.
var odd = map[string]credentialstest.Fault{
	"302": credentialstest.Status(302, "120"), "400": credentialstest.Status(400, "120"), "401": credentialstest.Status(401, "120"),
	"403": credentialstest.Status(403, "120"), "404": credentialstest.Status(404, "120"), "413": credentialstest.Status(413, "120"),
	"414": credentialstest.Status(414, "120"), "431": credentialstest.Status(431, "120"), "500": credentialstest.Status(500, "120"),
	"502": credentialstest.Status(502, "120"), "504": credentialstest.Status(504, "120"), "HTML": credentialstest.HTML(200),
	"a reset": credentialstest.Reset(), "cut off": credentialstest.Truncate(), "nothing": credentialstest.Hang(),
	"malformed": credentialstest.Body(200, "application/json", `{"active":tru`), "too large": credentialstest.HugeBody(1 << 20),
}

func TestOneOddTokenStopsNoOther(t *testing.T) {
	for name, fault := range odd {
		t.Run("row 38: "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer, in := memoryIntrospection(t)
				issuer.Script(introspectAt, fault)
				refuse(t, in, "odd", name, unavailableNow)
				start := time.Now()
				accept(t, in, issuer.MintOpaque(nil), "row 38: another token")
				if waited := time.Since(start); waited != 0 {
					t.Errorf("row 38: another token waited %v", waited)
				}
			})
		})
	}
}

// byToken is a transport to an endpoint that answers odd tokens oddly.
type byToken struct{ odd, others http.RoundTripper }

func (b *byToken) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	if text, _ := io.ReadAll(body); strings.Contains(string(text), "token=odd-") {
		return b.odd.RoundTrip(r)
	}
	return b.others.RoundTrip(r)
}

// Many distinct odd tokens don't, either: an endpoint that answers a probe is
// there.
func TestManyOddTokensDontOpenTheBreaker(t *testing.T) {
	for name, fault := range odd {
		t.Run("row 38: "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				oddly := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
				oddly.Script(introspectAt, credentialstest.Always(fault))
				issuer, in := memoryIntrospection(t, func(c *IntrospectionConfig) {
					c.HTTPClient = &http.Client{Transport: &byToken{oddly.Client().Transport, c.HTTPClient.Transport}}
				})
				for i := range 200 {
					refuse(t, in, "odd-"+strconv.Itoa(i), name, unavailableNow)
					start := time.Now()
					if i%10 == 9 {
						accept(t, in, issuer.MintOpaque(nil), "row 38: another token")
					}
					if waited := time.Since(start); waited != 0 {
						t.Errorf("row 38: another token waited %v", waited)
					}
					time.Sleep(10 * time.Millisecond)
				}
				if probes, most := issuer.Requests(introspectAt)-20, 1+oddly.Requests(introspectAt)/minUnwell; probes > most {
					t.Errorf("row 38: %d probes, want at most %d", probes, most)
				}
				if n := oddly.Requests(introspectAt); n != 200 {
					t.Errorf("row 38: %d requests about 200 tokens", n)
				}
			})
		})
	}
}

func TestShorterPauseNeverEndsALongerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		issuer.Script(introspectAt,
			credentialstest.Delay(100*time.Millisecond, credentialstest.Status(429, "60")),
			credentialstest.Delay(200*time.Millisecond, credentialstest.Status(503, "1")))
		var wg sync.WaitGroup
		for range 2 {
			token := issuer.MintOpaque(nil)
			wg.Go(func() { _, _ = in.Verify(t.Context(), token, Requirements{}) })
			synctest.Wait()
		}
		wg.Wait()
		time.Sleep(30*time.Second - 200*time.Millisecond)
		e := refuse(t, in, issuer.MintOpaque(nil), "row 38: within the longer pause", unavailableNow)
		if want := 30*time.Second + 100*time.Millisecond; e.RetryAfter != want {
			t.Errorf("row 38: RetryAfter %v, want %v", e.RetryAfter, want)
		}
		time.Sleep(e.RetryAfter)
		accept(t, in, issuer.MintOpaque(nil), "row 38: the pause is never longer than was said")
		if n := issuer.Requests(introspectAt); n != 3 {
			t.Errorf("row 38: %d requests", n)
		}
	})
}

func TestRetryAfterIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		issuer.Script(introspectAt, credentialstest.Status(503, "86400"))
		if e := refuse(t, in, issuer.MintOpaque(nil), "row 38: a day", unavailableNow); e.RetryAfter != retryafter.MaxIssuer {
			t.Errorf("row 38: RetryAfter %v", e.RetryAfter)
		}
		time.Sleep(retryafter.MaxIssuer)
		accept(t, in, issuer.MintOpaque(nil), "row 38: after the bound")
	})
}

// A 401 that says when to come back is taken at its word once a probe has got
// it, too.
func TestRetryAfterOfRefusedCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		issuer.Script(introspectAt, credentialstest.Always(credentialstest.Status(401, "60")))
		for range 10 {
			refuse(t, in, issuer.MintOpaque(nil), "row 38: 401", unavailableNow)
			time.Sleep(5 * time.Second)
		}
		if n := issuer.Requests(introspectAt); n != 2 {
			t.Errorf("row 38: %d requests before the time", n)
		}
		issuer.Heal(introspectAt)
		time.Sleep(15 * time.Second) // since the probe, which the second call brought about
		accept(t, in, issuer.MintOpaque(nil), "row 38: after the time")
	})
}

// Calls come all the time, each with a token of its own, and give up after two
// seconds. From the moment the endpoint answers again they pass within three
// (goal 16), and meanwhile the endpoint gets little more than a probe a second.
func TestRecoveryAfterAnOutageOfIntrospection(t *testing.T) {
	for kind, fault := range map[string]credentialstest.Fault{
		"503": credentialstest.Status(503, ""), "429": credentialstest.Status(429, ""), "hanging": credentialstest.Hang(), "resets": credentialstest.Reset(), "no listener": nil,
	} {
		for _, length := range []time.Duration{4 * time.Second, 20 * time.Second, 60 * time.Second, 10 * time.Minute} {
			t.Run(fmt.Sprintf("row 38: %s, %v", kind, length), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					issuer, in := memoryIntrospection(t)
					var wg sync.WaitGroup
					var lastFailure atomic.Int64
					start := time.Now()
					call := func() {
						token := issuer.MintOpaque(nil)
						wg.Go(func() {
							ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
							defer cancel()
							if _, err := in.Verify(ctx, token, Requirements{}); err != nil {
								lastFailure.Store(max(lastFailure.Load(), int64(time.Since(start))))
							}
						})
					}
					calls := func(d time.Duration) {
						for range d / (50 * time.Millisecond) {
							call()
							time.Sleep(50 * time.Millisecond)
						}
					}
					calls(5 * time.Second)
					before := issuer.Requests(introspectAt)
					if fault != nil {
						issuer.Script(introspectAt, credentialstest.Always(fault))
					} else {
						issuer.Down()
					}
					calls(length)
					sent := issuer.Requests(introspectAt) - before
					issuer.Heal(introspectAt)
					issuer.Up()
					calls(10 * time.Second)
					wg.Wait()
					up := 5*time.Second + length
					if late := time.Duration(lastFailure.Load()) - up; late > 3*time.Second {
						t.Errorf("goal 16: calls failed for %v after the endpoint answered again", late)
					}
					// Before the breaker opens: until half of ten seconds' calls have failed,
					// or, where nothing answers, as many as fit into the slots.
					if allowed := 2*100 + defaultMaxConcurrent + int(length/probeInterval); sent > allowed {
						t.Errorf("row 38: %d requests during the outage, want at most %d", sent, allowed)
					}
				})
			})
		}
	}
}

// If no call comes after a failure, the next call finds out whether it persists.
func TestFirstCallAfterALongQuietTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		issuer.Down()
		for range 10 {
			refuse(t, in, issuer.MintOpaque(nil), "row 38: down", unavailableNow)
		}
		issuer.Up()
		time.Sleep(time.Hour)
		accept(t, in, issuer.MintOpaque(nil), "row 38: the first call passes")
	})
}

// faulty is a transport whose code fails at each request after the first few.
type faulty struct {
	http.RoundTripper

	good atomic.Int64
	fail func()
}

func (f *faulty) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.good.Add(-1) < 0 {
		f.fail()
	}
	return f.RoundTripper.RoundTrip(r)
}

// The probe's transport may panic or end its goroutine, as any other.
func TestProbeThatEndsBadly(t *testing.T) {
	for name, fail := range map[string]func(){"panic": func() { panic(testSecret) }, "Goexit": runtime.Goexit} {
		t.Run("row 38: "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var transport *faulty
				issuer, in := memoryIntrospection(t, func(c *IntrospectionConfig) {
					transport = &faulty{RoundTripper: c.HTTPClient.Transport, fail: fail}
					c.HTTPClient = &http.Client{Transport: transport}
				})
				transport.good.Store(minUnwell)
				issuer.Script(introspectAt, credentialstest.Always(credentialstest.Status(502, "")))
				for range 3 * minUnwell {
					e := refuse(t, in, issuer.MintOpaque(nil), name, unavailableNow)
					if e.RetryAfter <= 0 {
						t.Errorf("row 38: no RetryAfter: %v", e.Err)
					}
				}
				transport.good.Store(1 << 30)
				issuer.Heal(introspectAt)
				time.Sleep(probeInterval)
				accept(t, in, issuer.MintOpaque(nil), "row 38: recovered")
			})
		})
	}
}

func TestCloseReleasesThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer, in := memoryIntrospection(t)
		issuer.Script(introspectAt, credentialstest.Error(401, "invalid_client"), credentialstest.Always(credentialstest.Hang()))
		refuse(t, in, issuer.MintOpaque(nil), "401", unavailableNow)
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				if _, err := in.Verify(t.Context(), "t"+strconv.Itoa(i), Requirements{}); err == nil {
					t.Error("row 38: accepted")
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		in.Close()
		wg.Wait()
		if d := time.Since(start); d != 0 {
			t.Errorf("row 38: Close took %v", d)
		}
	})
}

// A probe is reported as other requests are, though no call waits for it.
func TestProbeIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var probes []Introspected
		issuer, in := memoryIntrospection(t, func(c *IntrospectionConfig) {
			c.Auth = clientauth.SecretPost(clientauth.Constant("not-the-secret"))
			c.Observer.Introspected = func(e Introspected) {
				mu.Lock()
				defer mu.Unlock()
				if e.Probe {
					probes = append(probes, e)
				}
			}
		})
		refuse(t, in, issuer.MintOpaque(nil), "401", unavailableNow)
		refuse(t, in, issuer.MintOpaque(nil), "401", unavailableNow)
		issuer.AddClient(credentialstest.Client{ID: testClient, Secret: "not-the-secret"})
		time.Sleep(refusedPause)
		accept(t, in, issuer.MintOpaque(nil), "row 38: mended")
		mu.Lock()
		defer mu.Unlock()
		if len(probes) != 2 || probes[0].Err == nil || probes[1].Err != nil || probes[1].Active {
			t.Errorf("row 38: probes %+v", probes)
		}
		if got := issuer.Received(introspectAt)[1].Form.Get("token"); got != probeToken {
			t.Errorf("row 38: the probe asked about %q", got)
		}
	})
}

// A flood of made-up tokens at an endpoint that is slow to look for them takes
// not every turn: tokens that were active before, or are verified locally, have
// some of their own.
func TestFloodLeavesTurnsToKnownTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := credentialstest.NewIssuer(t, credentialstest.Config{InMemory: true})
		slow.Script(introspectAt, credentialstest.Always(credentialstest.Delay(4*time.Second, credentialstest.Body(200, "application/json", `{"active":false}`))))
		issuer, in := memoryIntrospection(t, func(c *IntrospectionConfig) {
			c.MaxConcurrent = 8
			c.HTTPClient = &http.Client{Transport: &byToken{slow.Client().Transport, c.HTTPClient.Transport}}
		})
		h, err := NewHybrid(HybridConfig{JWT: verifierOf(t, issuer), Introspection: in})
		if err != nil {
			t.Fatal(err)
		}
		known, jwt := issuer.MintOpaque(nil), issuer.Mint(nil)
		accept(t, in, known, "before the flood")
		time.Sleep(defaultPositiveTTL)

		var wg sync.WaitGroup
		for i := range 500 {
			wg.Go(func() { _, _ = in.Verify(t.Context(), "odd-"+strconv.Itoa(i), Requirements{}) })
		}
		synctest.Wait()
		start := time.Now()
		accept(t, in, known, "row 38: known, beside the flood")
		if _, err := h.Verify(t.Context(), jwt, introspected); err != nil {
			t.Errorf("row 38: a JWT beside the flood: %v", err)
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("row 38: they waited %v", waited)
		}
		wg.Wait()
		if n := slow.Peak(introspectAt); n != 6 {
			t.Errorf("row 38: %d made-up tokens were asked about at once, want 6 of 8", n)
		}
		accept(t, in, issuer.MintOpaque(nil), "row 38: after the flood")
	})
}
