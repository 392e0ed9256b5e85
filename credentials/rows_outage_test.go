package credentials_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/credentialstest"
)

// attempts counts fetches, of which an endpoint that is down sees nothing, and
// how many ran at the same time.
type attempts struct {
	mu            sync.Mutex
	started       []time.Time
	running, peak int
}

func (a *attempts) observer() credentials.Observer {
	return credentials.Observer{
		FetchStarted: func(credentials.FetchStarted) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.started = append(a.started, time.Now())
			a.running++
			a.peak = max(a.peak, a.running)
		},
		FetchEnded: func(credentials.FetchEnded) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.running--
		},
	}
}

func (a *attempts) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.started)
}

func (a *attempts) most() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.peak
}

func TestDownAtStart(t *testing.T) {
	bubble(t, "row 40: calls wait up to their own deadline, then Unavailable, and one attempt at a time is shared", func(t *testing.T) {
		i := newIssuer(t)
		i.Down()
		var seen attempts
		creds := newCreds(t, i, func(c *credentials.Config) { c.Observer, c.LocalPlaintext = seen.observer(), true })
		client := (&guarded{}).inProcess(t, creds.DialOptions()...)
		start := time.Now()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if err := check(within(t, 5*time.Second), client); status.Code(err) != codes.Unavailable {
					t.Errorf("got %v, want Unavailable", err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("the calls took %v, want their deadline of 5s", took)
		}
		if n := seen.count(); n < 2 || n > 4 || seen.most() != 1 {
			t.Errorf("%d attempts, %d at a time; want 2 to 4, one at a time", n, seen.most())
		}
	})
	bubble(t, "row 40: recovers unaided", func(t *testing.T) {
		i := newIssuer(t)
		i.Down()
		creds := newCreds(t, i, nil)
		time.AfterFunc(3*time.Second, i.Up)
		if err := creds.Ready(within(t, time.Minute)); err != nil {
			t.Fatal(err)
		}
		// The same while no call waits.
		i2 := newIssuer(t)
		i2.Down()
		creds2 := newCreds(t, i2, nil)
		wantError(t, creds2.Ready(within(t, time.Second)), credentials.KindUnavailable, codes.Unavailable)
		i2.Up()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := i2.Requests(token); n != 1 {
			t.Fatalf("%d requests, want 1", n)
		}
	})
	bubble(t, "row 40: a call without a deadline learns the first failure", func(t *testing.T) {
		i := newIssuer(t)
		i.Down()
		creds := newCreds(t, i, nil)
		err := creds.Ready(context.Background())
		wantError(t, err, credentials.KindUnavailable, codes.Unavailable)
		if !strings.Contains(err.Error(), "refused the connection") {
			t.Fatal(err)
		}
	})
}

func TestDownWithMinutesLeft(t *testing.T) {
	for name, fault := range map[string]func(*credentialstest.Issuer){
		"port closed": func(i *credentialstest.Issuer) { i.Down() },
		"503": func(i *credentialstest.Issuer) {
			i.Script(token, credentialstest.Always(credentialstest.Status(503, "")))
		},
		"hang": func(i *credentialstest.Issuer) { i.Script(token, credentialstest.Always(credentialstest.Hang())) },
		"invalid_client": func(i *credentialstest.Issuer) {
			i.Script(token, credentialstest.Always(credentialstest.Error(401, "invalid_client")))
		},
	} {
		bubble(t, "row 41: the valid token is served, no call fails: "+name, func(t *testing.T) {
			i := newIssuer(t)
			var seen attempts
			creds := newCreds(t, i, func(c *credentials.Config) { c.Observer = seen.observer() })
			first := value(t, creds)
			fault(i)
			for range 59 * 6 { // until a minute before expiry
				time.Sleep(10 * time.Second)
				if got := value(t, creds); got != first {
					t.Fatal("another token")
				}
			}
			if n := seen.count(); n < 3 || n > 40 || seen.most() != 1 {
				t.Errorf("%d attempts in the last quarter of an hour, %d at a time", n, seen.most())
			}
			i.Up()
			i.Heal(token)
			for range 60 {
				time.Sleep(10 * time.Second)
				ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
				_, err := creds.Token(ctx)
				cancel()
				if err != nil && name != "invalid_client" { // probed every 5 minutes: may be late
					t.Fatal(err)
				}
			}
			if got := value(t, creds); got == first {
				t.Fatal("the old token is served after its expiry")
			}
		})
	}
}

func TestBackShortlyBeforeExpiry(t *testing.T) {
	bubble(t, "row 41: an endpoint that comes back 20 s before the token's end is found in time", func(t *testing.T) {
		for range 8 { // the pauses are jittered
			i := newIssuer(t)
			creds := newCreds(t, i, nil)
			first := value(t, creds)
			i.Script(token, credentialstest.Always(credentialstest.Status(503, "")))
			time.Sleep(59*time.Minute + 30*time.Second)
			i.Heal(token)
			time.Sleep(19 * time.Second)
			if value(t, creds) == first {
				t.Error("still the old token")
			}
		}
	})
}

func TestRetryAfterAndBackoff(t *testing.T) {
	date := func(after time.Duration) string { return time.Now().Add(after).UTC().Format(http.TimeFormat) }
	cases := map[string]struct {
		fault    func() credentialstest.Fault
		min, max time.Duration
		http     int
	}{
		"429, seconds":         {func() credentialstest.Fault { return credentialstest.Status(429, "7") }, 7 * time.Second, 7 * time.Second, 429},
		"503, seconds":         {func() credentialstest.Fault { return credentialstest.Status(503, "20") }, 20 * time.Second, 20 * time.Second, 503},
		"503, date":            {func() credentialstest.Fault { return credentialstest.Status(503, date(30*time.Second)) }, 30 * time.Second, 30 * time.Second, 503},
		"429, capped":          {func() credentialstest.Fault { return credentialstest.Status(429, "86400") }, 5 * time.Minute, 5 * time.Minute, 429},
		"429, date capped":     {func() credentialstest.Fault { return credentialstest.Status(429, date(1000*time.Hour)) }, 5 * time.Minute, 5 * time.Minute, 429},
		"429, huge":            {func() credentialstest.Fault { return credentialstest.Status(429, "99999999999999999999") }, 0, time.Second, 429},
		"429, negative":        {func() credentialstest.Fault { return credentialstest.Status(429, "-5") }, 0, time.Second, 429},
		"429, past date":       {func() credentialstest.Fault { return credentialstest.Status(429, date(-time.Hour)) }, 0, time.Second, 429},
		"429, nonsense":        {func() credentialstest.Fault { return credentialstest.Status(429, "soon") }, 0, time.Second, 429},
		"503, none":            {func() credentialstest.Fault { return credentialstest.Status(503, "") }, 0, time.Second, 503},
		"500":                  {func() credentialstest.Fault { return credentialstest.Status(500, "") }, 0, time.Second, 500},
		"502":                  {func() credentialstest.Fault { return credentialstest.HTML(502) }, 0, time.Second, 502},
		"504":                  {func() credentialstest.Fault { return credentialstest.HTML(504) }, 0, time.Second, 504},
		"500, invalid_client":  {func() credentialstest.Fault { return credentialstest.Error(500, "invalid_client") }, 0, time.Second, 500},
		"400, unavailable":     {func() credentialstest.Fault { return credentialstest.Error(400, "temporarily_unavailable") }, 0, time.Second, 400},
		"408":                  {func() credentialstest.Fault { return credentialstest.Status(408, "") }, 0, time.Second, 408},
		"truncated":            {credentialstest.Truncate, 0, time.Second, 200},
		"connection cut":       {credentialstest.Reset, 0, time.Second, 0},
		"redirect":             {func() credentialstest.Fault { return credentialstest.Redirect(302, "https://login.test") }, 0, time.Second, 302},
		"503, Retry-After: 0s": {func() credentialstest.Fault { return credentialstest.Status(503, "0") }, 0, time.Second, 503},
	}
	for name, c := range cases {
		bubble(t, "row 42: no request before its time: "+name, func(t *testing.T) {
			i := newIssuer(t)
			creds := newCreds(t, i, nil)
			i.Script(token, c.fault())
			err := creds.Ready(context.Background())
			e := wantError(t, err, credentials.KindUnavailable, codes.Unavailable)
			if e.HTTPStatus != c.http {
				t.Errorf("HTTP status %d, want %d", e.HTTPStatus, c.http)
			}
			start := time.Now()
			for { // a caller that never stops
				if err = creds.Ready(context.Background()); err == nil {
					break
				}
				time.Sleep(100 * time.Millisecond)
			}
			waited := time.Since(start)
			if waited < c.min || waited > c.max+200*time.Millisecond {
				t.Errorf("waited %v, want %v to %v", waited, c.min, c.max)
			}
			if n := i.Requests(token); n != 2 {
				t.Errorf("%d requests, want 2", n)
			}
		})
	}
	for name, fault := range map[string]credentialstest.Fault{
		"200": credentialstest.HTML(200), "400": credentialstest.HTML(400), "401": credentialstest.HTML(401),
		"403": credentialstest.HTML(403), "404": credentialstest.HTML(404), "200, no JSON": credentialstest.Body(200, "application/json", "not-a-secret page"),
		"200, array": credentialstest.Body(200, "application/json", `["not-a-secret page"]`), "204": credentialstest.Status(204, ""),
		"200, trailing":      credentialstest.Body(200, "application/json", `{"access_token":"a"} not-a-secret page`),
		"200, twice":         credentialstest.Body(200, "application/json", `{"access_token":"a","access_token":"b"}`),
		"400, error is true": credentialstest.Body(400, "application/json", `{"error":true,"message":"not-a-secret page"}`),
	} {
		bubble(t, "row 42: HTML is transient and its body is never quoted: "+name, func(t *testing.T) {
			i := newIssuer(t)
			creds := newCreds(t, i, nil)
			i.Script(token, fault)
			err := creds.Ready(context.Background())
			wantError(t, err, credentials.KindMalformed, codes.Unavailable)
			noLeak(t, err, "page", "DOCTYPE")
			time.Sleep(2 * time.Second)
			if err := creds.Ready(context.Background()); err != nil {
				t.Fatal(err)
			}
		})
	}
	bubble(t, "row 42: backoff doubles, with jitter, to a minute while a token lives", func(t *testing.T) {
		i := newIssuerWith(t, credentialstest.Config{Lifetime: 24 * time.Hour})
		creds := newCreds(t, i, nil)
		value(t, creds)
		i.Script(token, credentialstest.Always(credentialstest.Status(500, "")))
		time.Sleep(23*time.Hour + 40*time.Minute) // 20 min before the end, at the latest
		for range 600 {
			value(t, creds)
			time.Sleep(time.Second)
		}
		var last time.Time
		want := time.Second
		jittered := false
		for n, r := range i.Received(token)[1:] {
			if n > 0 {
				gap := r.At.Sub(last)
				if gap < want*8/10 || gap > want {
					t.Errorf("pause %d is %v, want about %v", n, gap, want)
				}
				jittered = jittered || gap != want
				want = min(2*want, time.Minute)
			}
			last = r.At
		}
		if n := i.Requests(token); n < 12 || n > 24 || !jittered {
			t.Errorf("%d requests in ten minutes, jittered %v", n, jittered)
		}
	})
}

// noLeak walks the whole chain of an error for text that must not be in it.
func noLeak(t testing.TB, err error, secrets ...string) {
	t.Helper()
	texts := []string{err.Error(), status.Convert(err).String()}
	for e := err; e != nil; {
		texts = append(texts, e.Error())
		u, ok := e.(interface{ Unwrap() error })
		if !ok {
			break
		}
		e = u.Unwrap()
	}
	for _, text := range texts {
		for _, secret := range append(secrets, clientSecret) {
			if strings.Contains(text, secret) {
				t.Errorf("%q holds %q", text, secret)
			}
		}
	}
}

func TestHungConnection(t *testing.T) {
	bubble(t, "row 43: each caller leaves at its own deadline and the fetch completes for the next", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, localPlaintext)
		client := (&guarded{}).inProcess(t, creds.DialOptions()...)
		i.Script(token, credentialstest.Delay(2*time.Second))
		start := time.Now()
		for _, d := range []time.Duration{100 * time.Millisecond, 300 * time.Millisecond, time.Second} {
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), d)
				defer cancel()
				err := check(ctx, client)
				if status.Code(err) != codes.DeadlineExceeded || time.Since(start) != d {
					t.Errorf("%v after %v, want DeadlineExceeded after %v", err, time.Since(start), d)
				}
			}()
		}
		go func() {
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(200*time.Millisecond, cancel)
			if err := check(ctx, client); status.Code(err) != codes.Canceled {
				t.Errorf("%v, want Canceled", err)
			}
		}()
		time.Sleep(1500 * time.Millisecond)
		if err := check(within(t, time.Minute), client); err != nil || time.Since(start) != 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if n := i.Requests(token); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
	})
	bubble(t, "row 43: a hung connection ends with the fetch timeout", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, func(c *credentials.Config) { c.FetchTimeout = 3 * time.Second })
		i.Script(token, credentialstest.Hang())
		start := time.Now()
		err := creds.Ready(context.Background())
		wantError(t, err, credentials.KindUnavailable, codes.Unavailable)
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
	})
	bubble(t, "row 43: a body that dribbles ends with the fetch timeout", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, nil)
		i.Script(token, credentialstest.SlowBody(time.Second))
		start := time.Now()
		wantError(t, creds.Ready(context.Background()), credentials.KindUnavailable, codes.Unavailable)
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("took %v", took)
		}
	})
	t.Run("row 43: over a socket a caller leaves at its deadline while the fetch hangs", func(t *testing.T) {
		i := credentialstest.NewIssuer(t, credentialstest.Config{})
		i.AddClient(credentialstest.Client{ID: clientID, Secret: clientSecret})
		creds := newCreds(t, i, nil)
		open := make(chan struct{})
		i.Script(token, credentialstest.Gate(open))
		ctx := within(t, 100*time.Millisecond)
		_, err := creds.Token(ctx)
		wantError(t, err, credentials.KindDeadline, codes.DeadlineExceeded)
		close(open) // not before the caller was back
		if err := creds.Ready(within(t, 10*time.Second)); err != nil || i.Requests(token) != 1 {
			t.Error(err, i.Requests(token))
		}
	})
}
