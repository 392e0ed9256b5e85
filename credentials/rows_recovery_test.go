package credentials_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/credentialstest"
)

// recovered is the time between an issuer's return and the last call that
// failed, while callers ask every 50 ms.
func recovered(t *testing.T, targets []*credentials.Credentials, back time.Time, until time.Time) (late time.Duration, failed int) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for n, creds := range targets {
		wg.Go(func() {
			time.Sleep(time.Duration(n) * 13 * time.Millisecond)
			for time.Now().Before(until) {
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				err := creds.Ready(ctx)
				cancel()
				mu.Lock()
				if err != nil {
					failed++
					late = max(late, time.Since(back))
				}
				mu.Unlock()
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
	wg.Wait()
	return late, failed
}

func TestRecoversWithinSeconds(t *testing.T) {
	const goal = 2 * time.Second
	for _, outage := range []time.Duration{20 * time.Second, time.Minute, 10 * time.Minute} {
		for _, life := range []time.Duration{10 * time.Second, time.Minute} {
			for name, fault := range map[string]credentialstest.Fault{
				"port closed": nil,
				"503":         credentialstest.Status(503, ""),
				"HTML":        credentialstest.HTML(404),
			} {
				bubble(t, fmt.Sprintf("row 40: down for %v with tokens of %v, %s", outage, life, name), func(t *testing.T) {
					i := newIssuerWith(t, credentialstest.Config{Lifetime: life})
					creds := newCreds(t, i, nil)
					value(t, creds)
					time.Sleep(life / 2)
					if fault == nil {
						i.Down()
					} else {
						i.Script(token, credentialstest.Always(fault))
					}
					back := time.Now().Add(outage)
					time.AfterFunc(outage, func() { i.Up(); i.Heal(token) })
					late, failed := recovered(t, []*credentials.Credentials{creds}, back, back.Add(time.Minute))
					if late > goal {
						t.Errorf("calls failed for %v after the issuer was back, want at most %v", late, goal)
					}
					if failed == 0 && outage > life {
						t.Error("no call noticed the outage")
					}
				})
			}
		}
	}
}

func TestRequestsWhileCallsFail(t *testing.T) {
	bubble(t, "row 40: a crowd at many targets makes one request in about two seconds for the process", func(t *testing.T) {
		i := newIssuer(t)
		i.Script(token, credentialstest.Always(credentialstest.Status(503, "")))
		creds := newCreds(t, i, nil)
		targets := []*credentials.Credentials{creds}
		for n := range 19 {
			targets = append(targets, creds.For(credentials.Target{Audience: fmt.Sprint("service ", n)}))
		}
		_ = creds.Ready(context.Background())
		start := time.Now()
		recovered(t, targets, start, start.Add(2*time.Minute))
		if n := i.Requests(token); n < 50 || n > 80 || i.Peak(token) != 1 {
			t.Errorf("%d requests in two minutes, %d at a time; want 1.6 to 2 s between them", n, i.Peak(token))
		}
	})
	bubble(t, "row 40: without calls the pause doubles to a minute", func(t *testing.T) {
		i := newIssuer(t)
		i.Script(token, credentialstest.Always(credentialstest.Status(503, "")))
		creds := newCreds(t, i, nil)
		_ = creds.Ready(context.Background())
		time.Sleep(10 * time.Minute)
		want := time.Second
		var last time.Time
		for n, r := range i.Received(token) {
			if gap := r.At.Sub(last); n > 0 {
				if gap < want*8/10 || gap > want {
					t.Errorf("pause %d is %v, want about %v", n, gap, want)
				}
				want = min(2*want, time.Minute)
			}
			last = r.At
		}
		if n := i.Requests(token); n < 8 || n > 13 {
			t.Errorf("%d requests, want the backoff of the five minutes that are waited for the next call", n)
		}
	})
	bubble(t, "row 40: a call now and then asks for itself, and gets the answer", func(t *testing.T) {
		i := newIssuer(t)
		i.Script(token, credentialstest.Always(credentialstest.Status(503, "")))
		creds := newCreds(t, i, nil)
		for range 30 {
			before := i.Requests(token)
			wantError(t, creds.Ready(context.Background()), credentials.KindUnavailable, codes.Unavailable)
			if i.Requests(token) == before {
				t.Fatal("answered from memory 20 s after the last call")
			}
			time.Sleep(20 * time.Second)
		}
		i.Heal(token)
		if err := creds.Ready(context.Background()); err != nil {
			t.Fatal(err)
		}
	})
	for name, fault := range map[string]credentialstest.Fault{
		"of the endpoint": credentialstest.Status(503, ""),
		"of one target":   credentialstest.Alter(map[string]any{"access_token": "a b"}),
	} {
		bubble(t, "row 42: attempts that calls hastened don't count for the backoff: a fault "+name, func(t *testing.T) {
			i := newIssuer(t)
			i.Script(token, credentialstest.Always(fault))
			creds := newCreds(t, i, nil)
			start := time.Now()
			recovered(t, []*credentials.Credentials{creds}, start, start.Add(2*time.Minute))
			before := i.Requests(token)
			time.Sleep(30 * time.Second) // without calls: about 4, 8 and 16 s apart
			if n := i.Requests(token) - before; n < 2 || n > 6 {
				t.Errorf("%d requests in the 30 s after the calls stopped", n)
			}
		})
	}
	bubble(t, "row 42: of two requests in flight the longer Retry-After counts", func(t *testing.T) {
		i := newIssuer(t)
		i.Script(token, credentialstest.Delay(100*time.Millisecond, credentialstest.Status(503, "60")), credentialstest.Delay(time.Second, credentialstest.Status(503, "")))
		creds := newCreds(t, i, nil)
		targets := []*credentials.Credentials{creds, creds.For(credentials.Target{Audience: "other"})}
		start := time.Now()
		var wg sync.WaitGroup
		for _, target := range targets {
			wg.Go(func() { _ = target.Ready(context.Background()) })
		}
		wg.Wait()
		recovered(t, targets, start, start.Add(59*time.Second))
		if n := i.Requests(token); n != 2 {
			t.Errorf("%d requests within the Retry-After", n)
		}
	})
	bubble(t, "row 42: Retry-After is obeyed while calls fail", func(t *testing.T) {
		i := newIssuer(t)
		i.Script(token, credentialstest.Always(credentialstest.Status(503, "20")))
		creds := newCreds(t, i, nil)
		start := time.Now()
		recovered(t, []*credentials.Credentials{creds}, start, start.Add(time.Minute))
		if n := i.Requests(token); n < 3 || n > 4 {
			t.Errorf("%d requests in a minute, want one in 20 s", n)
		}
	})
	bubble(t, "row 48: a rejected client is asked about slowly while calls fail, first after 30 s even behind an outage", func(t *testing.T) {
		i := newIssuer(t)
		i.Script(token, credentialstest.Always(credentialstest.Status(503, "")))
		creds := newCreds(t, i, nil)
		start := time.Now()
		recovered(t, []*credentials.Credentials{creds}, start, start.Add(time.Minute))
		i.Script(token, credentialstest.Always(credentialstest.Error(401, "invalid_client")))
		at := time.Now()
		before := i.Requests(token)
		recovered(t, []*credentials.Credentials{creds}, at, at.Add(29*time.Second))
		if n := i.Requests(token) - before; n != 1 {
			t.Errorf("%d requests within 30 s of the rejection", n)
		}
		recovered(t, []*credentials.Credentials{creds}, at, at.Add(45*time.Second))
		if n := i.Requests(token) - before; n != 2 {
			t.Errorf("%d requests within 45 s of the rejection, want the second after 30 to 36 s", n)
		}
	})
	bubble(t, "row 41: attempts at a token's end don't count for the backoff of another target", func(t *testing.T) {
		i := newIssuerWith(t, credentialstest.Config{Lifetime: 10 * time.Second})
		creds := newCreds(t, i, nil)
		value(t, creds)
		time.Sleep(5 * time.Second)
		i.Script(token, credentialstest.Always(credentialstest.Status(503, "")))
		time.Sleep(10 * time.Second)
		e := wantError(t, creds.Ready(context.Background()), credentials.KindUnavailable, codes.Unavailable)
		if e.RetryAfter > 2*time.Second {
			t.Errorf("the next attempt is %v away", e.RetryAfter)
		}
	})
}

func TestNeverReached(t *testing.T) {
	bubble(t, "row 40: a call to an endpoint that was never reached waits 10 s, not its whole deadline", func(t *testing.T) {
		i := newIssuer(t)
		i.Down()
		creds := newCreds(t, i, localPlaintext)
		client := (&guarded{}).inProcess(t, creds.DialOptions()...)
		start := time.Now()
		err := check(within(t, time.Hour), client)
		if took := time.Since(start); took < 10*time.Second || took > 13*time.Second {
			t.Errorf("%v after %v", err, took)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
	bubble(t, "row 40: Ready waits for as long as it is told to", func(t *testing.T) {
		i := newIssuer(t)
		i.Down()
		creds := newCreds(t, i, nil)
		time.AfterFunc(5*time.Minute, i.Up)
		if err := creds.Ready(within(t, 10*time.Minute)); err != nil {
			t.Fatal(err)
		}
	})
}
