package credentials_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/credentialstest"
)

func TestCrowds(t *testing.T) {
	bubble(t, "row 49: 200 callers at expiry against a 300 ms endpoint: 0 calls stall", func(t *testing.T) {
		i := newIssuerWith(t, credentialstest.Config{Lifetime: 20 * time.Second})
		creds := newCreds(t, i, nil)
		value(t, creds)
		i.Script(token, credentialstest.Always(credentialstest.Delay(300*time.Millisecond)))
		var stalled, calls atomic.Int64
		var wg sync.WaitGroup
		for n := range 200 {
			wg.Go(func() {
				time.Sleep(time.Duration(n) * time.Millisecond)
				for range 600 { // a minute: three lifetimes
					start := time.Now()
					if err := creds.Ready(context.Background()); err != nil {
						t.Error(err)
					}
					if time.Since(start) > 100*time.Millisecond {
						stalled.Add(1)
					}
					calls.Add(1)
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		wg.Wait()
		if stalled.Load() != 0 || calls.Load() != 120_000 || i.Requests(token) > 5 || i.Peak(token) != 1 {
			t.Errorf("%d of %d calls stalled, %d requests, %d at a time", stalled.Load(), calls.Load(), i.Requests(token), i.Peak(token))
		}
	})
	bubble(t, "row 49: 200 callers against a 503: one request", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, localPlaintext)
		client := (&guarded{}).inProcess(t, creds.DialOptions()...)
		i.Script(token, credentialstest.Always(credentialstest.Status(503, "60")))
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				for range 20 { // as a retry policy would, over 20 s
					if err := check(within(t, 5*time.Second), client); status.Code(err) != codes.Unavailable {
						t.Errorf("got %v", err)
					}
					time.Sleep(time.Second)
				}
			})
		}
		wg.Wait()
		if n := i.Requests(token); n != 1 {
			t.Errorf("%d requests for 4,000 calls, want 1", n)
		}
	})
	bubble(t, "row 49: a gRPC retry policy does not multiply requests", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, localPlaintext)
		client := (&guarded{}).inProcess(t, append(creds.DialOptions(), grpc.WithDefaultServiceConfig(`{"methodConfig":[{"name":[{}],"retryPolicy":{
			"maxAttempts":5,"initialBackoff":"0.01s","maxBackoff":"0.1s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}]}`))...)
		i.Script(token, credentialstest.Always(credentialstest.Status(503, "")))
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				if err := check(within(t, 5*time.Second), client); status.Code(err) != codes.Unavailable {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		if n := i.Requests(token); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
	})
	bubble(t, "row 49: 200 callers against a 503 without Retry-After: one request in two seconds", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, nil)
		i.Script(token, credentialstest.Always(credentialstest.Delay(300*time.Millisecond, credentialstest.Status(503, ""))))
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				wantError(t, creds.Ready(context.Background()), credentials.KindUnavailable, codes.Unavailable)
			})
		}
		wg.Wait()
		if n := i.Requests(token); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
		for range 200 {
			wg.Go(func() {
				for range 60 {
					_ = creds.Ready(context.Background())
					time.Sleep(time.Second)
				}
			})
		}
		wg.Wait()
		if n := i.Requests(token); n < 24 || n > 34 || i.Peak(token) != 1 { // 1.6 to 2 s apart, and 0.3 s each
			t.Errorf("%d requests in a minute, %d at a time", n, i.Peak(token))
		}
	})
	bubble(t, "row 49: 10,000 cold goroutines: one request", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, nil)
		i.Script(token, credentialstest.Delay(300*time.Millisecond))
		var wg sync.WaitGroup
		for range 10_000 {
			wg.Go(func() {
				if err := creds.Ready(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := i.Requests(token); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
	})
	t.Run("row 49: over a socket, with the race detector's scheduling: one request", func(t *testing.T) {
		i := credentialstest.NewIssuer(t, credentialstest.Config{})
		i.AddClient(credentialstest.Client{ID: clientID, Secret: clientSecret})
		creds := newCreds(t, i, nil)
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if err := creds.Ready(within(t, 30*time.Second)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := i.Requests(token); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
	})
}

func TestIdleCredentialsStopRefreshing(t *testing.T) {
	bubble(t, "after one lifetime without calls there are no more requests, and the next call works", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, nil)
		value(t, creds)
		time.Sleep(100 * time.Hour)
		synctest.Wait()
		if n := i.Requests(token); n != 2 {
			t.Fatalf("%d requests, want the first and one refresh", n)
		}
		value(t, creds)
		if n := i.Requests(token); n != 3 {
			t.Fatalf("%d requests, want 3", n)
		}
	})
	bubble(t, "one call in each lifetime keeps it warm", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, nil)
		value(t, creds)
		for range 50 {
			time.Sleep(50 * time.Minute)
			start := time.Now()
			value(t, creds)
			if took := time.Since(start); took != 0 {
				t.Fatalf("a call waited %v", took)
			}
		}
	})
	bubble(t, "a failing endpoint isn't asked for ever either", func(t *testing.T) {
		i := newIssuer(t)
		i.Script(token, credentialstest.Always(credentialstest.Status(500, "")))
		creds := newCreds(t, i, nil)
		_ = creds.Ready(context.Background())
		time.Sleep(time.Hour)
		n := i.Requests(token)
		time.Sleep(100 * time.Hour)
		if i.Requests(token) != n {
			t.Fatal("requests without calls")
		}
	})
}

func TestTargetsShareBackoff(t *testing.T) {
	bubble(t, "an outage pauses all targets, one probes, and success frees all", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, nil)
		var targets []*credentials.Credentials
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			targets = append(targets, creds.For(credentials.Target{Resources: []string{"https://" + name + ".test"}}))
		}
		i.Script(token, credentialstest.Status(503, "10"), credentialstest.Status(503, "10"), credentialstest.Delay(time.Second))
		wantError(t, targets[0].Ready(context.Background()), credentials.KindUnavailable, codes.Unavailable)
		for _, target := range targets {
			e := wantError(t, target.Ready(context.Background()), credentials.KindUnavailable, codes.Unavailable)
			if e.RetryAfter != 10*time.Second {
				t.Error(e.RetryAfter)
			}
		}
		if n := i.Requests(token); n != 1 {
			t.Fatalf("%d requests, want 1", n)
		}
		all := func(then func(error)) {
			var wg sync.WaitGroup
			for _, target := range targets {
				wg.Go(func() { then(target.Ready(context.Background())) })
			}
			wg.Wait()
		}
		time.Sleep(10*time.Second + time.Millisecond)
		all(func(err error) { wantError(t, err, credentials.KindUnavailable, codes.Unavailable) })
		if n := i.Requests(token); n != 2 || i.Peak(token) != 1 {
			t.Fatalf("%d requests, %d at a time: want one probe", n, i.Peak(token))
		}
		time.Sleep(10*time.Second + time.Millisecond)
		all(func(err error) {
			if err != nil {
				t.Error(err)
			}
		})
		if n := i.Requests(token); n != 8 {
			t.Fatalf("%d requests, want the probe and one for each other target", n)
		}
	})
	bubble(t, "requests that fail together count as one failure", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, nil)
		i.Script(token, credentialstest.Always(credentialstest.Delay(time.Second, credentialstest.Status(503, ""))))
		var wg sync.WaitGroup
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			wg.Go(func() {
				e := wantError(t, creds.For(credentials.Target{Audience: name}).Ready(context.Background()), credentials.KindUnavailable, codes.Unavailable)
				if e.RetryAfter > time.Second {
					t.Errorf("the first pause is %v", e.RetryAfter)
				}
			})
		}
		wg.Wait()
	})
	bubble(t, "a fault of one target leaves the others alone", func(t *testing.T) {
		i := newIssuer(t)
		i.AddClient(credentialstest.Client{ID: clientID, Secret: clientSecret, Opaque: true, Audiences: []string{"https://a.test"}})
		creds := newCreds(t, i, nil)
		bad := creds.For(credentials.Target{Resources: []string{"https://b.test"}})
		e := wantError(t, bad.Ready(context.Background()), credentials.KindRejected, codes.Unauthenticated)
		if e.Code != "invalid_target" {
			t.Fatal(e)
		}
		if err := creds.For(credentials.Target{Resources: []string{"https://a.test"}}).Ready(context.Background()); err != nil {
			t.Fatal(err)
		}
		wantError(t, bad.Ready(context.Background()), credentials.KindRejected, codes.Unauthenticated)
		if n := i.Requests(token); n != 2 {
			t.Fatal(n)
		}
	})
	bubble(t, "row 42: a success that was in flight doesn't end the pause that the server asked for", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, nil)
		i.Script(token, credentialstest.Delay(time.Second), credentialstest.Status(429, "60"))
		var wg sync.WaitGroup
		wg.Go(func() { value(t, creds) })
		synctest.Wait()
		late := creds.For(credentials.Target{Audience: "late"})
		start := time.Now()
		for late.Ready(within(t, 10*time.Second)) != nil {
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(start); took < time.Minute || took > time.Minute+time.Second {
			t.Errorf("the next request came after %v", took)
		}
		wg.Wait()
		if n := i.Requests(token); n != 3 {
			t.Errorf("%d requests", n)
		}
	})
	bubble(t, "targets whose tokens are all faulty make one probe in two seconds, not one each", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, nil)
		i.Script(token, credentialstest.Always(credentialstest.Alter(map[string]any{"access_token": ""})))
		var wg sync.WaitGroup
		end := time.Now().Add(4 * time.Minute)
		for n := range 20 {
			target := creds.For(credentials.Target{Audience: fmt.Sprint("target-", n)})
			wg.Go(func() {
				for target.Ready(within(t, time.Second)) != nil {
					if time.Now().After(end) {
						t.Error("no token a minute after there are good ones")
						return
					}
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		time.Sleep(time.Minute)
		before := i.Requests(token)
		time.Sleep(2 * time.Minute)
		if n := i.Requests(token) - before; n > 2*40 {
			t.Errorf("%d requests in two minutes", n)
		}
		i.Heal(token)
		wg.Wait()
	})
}
