package credentials_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/credentialstest"
)

// raw is JSON as it stands.
func raw(s string) json.RawMessage { return json.RawMessage(s) }

func TestLifetimes(t *testing.T) {
	const byDefault = 5 * time.Minute
	cases := map[string]struct {
		expiresIn any
		want      time.Duration
	}{
		`"3600"`:        {"3600", time.Hour},
		`3600.5`:        {3600.5, time.Hour + time.Second/2},
		`"3600.5"`:      {"3600.5", time.Hour + time.Second/2},
		`36e2`:          {raw("36e2"), time.Hour},
		`absent`:        {nil, byDefault},
		`null`:          {raw("null"), byDefault},
		`0`:             {0, byDefault},
		`"0"`:           {"0", byDefault},
		`-1`:            {-1, byDefault},
		`-1e18`:         {raw("-1e18"), byDefault},
		`1e18`:          {raw("1e18"), 30 * 24 * time.Hour},
		`1e400`:         {raw("1e400"), 30 * 24 * time.Hour},
		`true`:          {true, byDefault},
		`[60]`:          {[]int{60}, byDefault},
		`{}`:            {raw("{}"), byDefault},
		`""`:            {"", byDefault},
		`"soon"`:        {"soon", byDefault},
		`"NaN"`:         {"NaN", byDefault},
		`"Inf"`:         {"Inf", byDefault},
		`"infinity"`:    {"infinity", byDefault},
		`"0x1p20"`:      {"0x1p20", byDefault},
		`"3_600"`:       {"3_600", byDefault},
		`"+3600"`:       {"+3600", byDefault},
		`0.001`:         {0.001, time.Second},
		`5`:             {5, 5 * time.Second},
		`30 days`:       {30 * 24 * 3600, 30 * 24 * time.Hour},
		`more than int`: {raw("99999999999999999999"), 30 * 24 * time.Hour},
	}
	for name, c := range cases {
		bubble(t, "row 44: a bounded lifetime and no fetch for each call: expires_in "+name, func(t *testing.T) {
			i := newIssuer(t)
			creds := newCreds(t, i, nil)
			i.Script(token, credentialstest.Always(credentialstest.Alter(map[string]any{"expires_in": c.expiresIn})))
			tok, err := creds.Token(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if got := time.Until(tok.Expiry); got != c.want {
				t.Fatalf("lives %v, want %v", got, c.want)
			}
			// Three lifetimes of steady calls: each is renewed in its last
			// quarter, at most 20 minutes ahead, and never later.
			span := 3 * c.want
			for range 300 {
				time.Sleep(span / 300)
				value(t, creds)
			}
			n := i.Requests(token)
			if n < 3 || n > 6 {
				t.Errorf("%d requests in three lifetimes", n)
			}
			if name == "1e18" { // and none is believed beyond the bound
				time.Sleep(31 * 24 * time.Hour)
				if value(t, creds); i.Requests(token) == n {
					t.Error("a token older than 30 days is served")
				}
			}
		})
	}
	for _, life := range []time.Duration{5 * time.Second, 10 * time.Second, time.Minute, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour} {
		bubble(t, "row 44: no call waits at a refresh: "+life.String(), func(t *testing.T) {
			i := newIssuerWith(t, credentialstest.Config{Lifetime: life})
			creds := newCreds(t, i, nil)
			value(t, creds)
			i.Script(token, credentialstest.Always(credentialstest.Delay(300*time.Millisecond)))
			for range 1000 {
				time.Sleep(life / 100)
				start := time.Now()
				value(t, creds)
				if took := time.Since(start); took != 0 {
					t.Fatalf("a call waited %v", took)
				}
			}
			lead := min(life/4, 20*time.Minute)
			if n, most := i.Requests(token), int(10*life/(life-lead))+2; n < 10 || n > most {
				t.Errorf("%d requests in ten lifetimes, want 10 to %d", n, most)
			}
		})
	}
}

func TestTokenType(t *testing.T) {
	for _, kind := range []any{"DPoP", "MAC", "N_A", "mac", "Bearer DPoP", "bearer ", 7} {
		bubble(t, "row 45: never sent: "+mustJSON(t, kind), func(t *testing.T) {
			i := newIssuer(t)
			creds := newCreds(t, i, localPlaintext)
			server := &guarded{}
			client := server.inProcess(t, creds.DialOptions()...)
			i.Script(token, credentialstest.Always(credentialstest.Alter(map[string]any{"token_type": kind})))
			err := creds.Ready(context.Background())
			if kind == 7 {
				wantError(t, err, credentials.KindMalformed, codes.Unavailable)
			} else {
				wantError(t, err, credentials.KindMisconfigured, codes.Internal)
			}
			if err := check(within(t, time.Second), client); err == nil || len(server.tokens()) != 0 {
				t.Fatal(err, server.tokens())
			}
		})
	}
	for name, kind := range map[string]any{"bearer": "bearer", "BEARER": "BEARER", "absent": nil, "null": raw("null"), "empty": ""} {
		bubble(t, "row 45: sent as Bearer: "+name, func(t *testing.T) {
			i := newIssuer(t)
			creds := newCreds(t, i, localPlaintext)
			i.Script(token, credentialstest.Alter(map[string]any{"token_type": kind}))
			server := &guarded{}
			client := server.inProcess(t, creds.DialOptions()...)
			if err := check(within(t, time.Second), client); err != nil {
				t.Fatal(err)
			}
			if seen := server.tokens(); len(seen) != 1 || !strings.HasPrefix(seen[0], "Bearer opaque-") {
				t.Fatal(seen)
			}
		})
	}
}

func mustJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAccessToken(t *testing.T) {
	for name, bad := range map[string]any{
		"empty": "", "absent": nil, "null": raw("null"), "newline": "abc\n", "CR LF and a header": "abc\r\nx-admin: 1",
		"NUL": "a\x00b", "space": "a b", "tab": "a\tb", "DEL": "a\x7fb", "not ASCII": "äöü",
		"above the cap": strings.Repeat("a", 16<<10+1), "number": 7, "array": []string{"abc"},
	} {
		bubble(t, "row 46: rejected at fetch, the old token stays: "+name, func(t *testing.T) {
			i := newIssuer(t)
			creds := newCreds(t, i, nil)
			first := value(t, creds)
			i.Script(token, credentialstest.Always(credentialstest.Alter(map[string]any{"access_token": bad})))
			time.Sleep(50 * time.Minute) // past the refresh
			if value(t, creds) != first || i.Requests(token) < 2 {
				t.Fatal("the old token went away")
			}
			time.Sleep(10 * time.Minute) // past its expiry
			err := creds.Ready(context.Background())
			wantError(t, err, credentials.KindMalformed, codes.Unavailable)
			if s, ok := bad.(string); ok && len(s) > 0 {
				noLeak(t, err, s)
			}
			i.Heal(token)
			time.Sleep(2 * time.Minute)
			if got := value(t, creds); got == first {
				t.Fatal("the expired token is served")
			}
		})
	}
	bubble(t, "row 46: as large as the cap is accepted", func(t *testing.T) {
		i := newIssuer(t)
		creds := newCreds(t, i, nil)
		i.Script(token, credentialstest.Alter(map[string]any{"access_token": strings.Repeat("a", 16<<10)}))
		if got := value(t, creds); len(got) != 16<<10 {
			t.Fatal(len(got))
		}
	})
}

func TestTransport(t *testing.T) {
	for _, code := range []int{301, 302, 303, 307, 308} {
		t.Run("row 47: redirects are never followed: "+strconv.Itoa(code), func(t *testing.T) {
			var reached atomic.Int32
			thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
			defer thief.Close()
			i := credentialstest.NewIssuer(t, credentialstest.Config{})
			i.AddClient(credentialstest.Client{ID: clientID, Secret: clientSecret})
			creds := newCreds(t, i, func(c *credentials.Config) { c.Auth = clientauth.SecretPost(clientauth.Constant(clientSecret)) })
			i.Script(token, credentialstest.Redirect(code, thief.URL))
			err := creds.Ready(context.Background())
			e := wantError(t, err, credentials.KindUnavailable, codes.Unavailable)
			if e.HTTPStatus != code || reached.Load() != 0 {
				t.Fatal(e, reached.Load())
			}
		})
	}
	t.Run("row 47: a body above 1 MiB is refused", func(t *testing.T) {
		i := credentialstest.NewIssuer(t, credentialstest.Config{})
		i.AddClient(credentialstest.Client{ID: clientID, Secret: clientSecret})
		creds := newCreds(t, i, nil)
		i.Script(token, credentialstest.HugeBody(100<<20))
		wantError(t, creds.Ready(context.Background()), credentials.KindMalformed, codes.Unavailable)
	})
	bubble(t, "row 47: text/plain with JSON is parsed", func(t *testing.T) {
		for _, contentType := range []string{"text/plain", "text/plain; charset=utf-8", "text/html", "application/x-www-form-urlencoded", ";;;"} {
			i := newIssuer(t)
			creds := newCreds(t, i, nil)
			i.Script(token, credentialstest.ContentType(contentType))
			if err := creds.Ready(context.Background()); err != nil {
				t.Errorf("%s: %v", contentType, err)
			}
		}
	})
}

func TestRejected(t *testing.T) {
	for code, shown := range map[string]string{
		"invalid_client": "invalid_client", "unauthorized_client": "unauthorized_client", "invalid_grant": "invalid_grant",
		"unsupported_grant_type": "unsupported_grant_type", "invalid_scope": "invalid_scope", "invalid_target": "invalid_target",
		"access_denied": "access_denied", "invalid_request": "invalid_request",
		"not-a-secret page": "", // a server may write anything there
	} {
		for _, status := range []int{400, 401, 403, 200} {
			bubble(t, "row 48: Unauthenticated and probed slowly: "+code+" "+strconv.Itoa(status), func(t *testing.T) {
				i := newIssuer(t)
				creds := newCreds(t, i, nil)
				i.Script(token, credentialstest.Always(credentialstest.Error(status, code)))
				err := creds.Ready(context.Background())
				e := wantError(t, err, credentials.KindRejected, codes.Unauthenticated)
				if e.Code != shown || e.HTTPStatus != status {
					t.Errorf("code %q, status %d", e.Code, e.HTTPStatus)
				}
				noLeak(t, err, "page", "developers")
				for range 3600 {
					_ = creds.Ready(context.Background())
					time.Sleep(time.Second)
				}
				got := i.Received(token)
				if len(got) < 12 || len(got) > 20 {
					t.Errorf("%d requests in an hour", len(got))
				}
				for n := 1; n < len(got); n++ {
					if gap := got[n].At.Sub(got[n-1].At); gap < 30*time.Second || gap > 5*time.Minute+time.Second {
						t.Errorf("pause %d is %v", n, gap)
					}
				}
			})
		}
	}
	bubble(t, "row 48: a fixed secret recovers without a restart, and is read at each fetch", func(t *testing.T) {
		i := newIssuer(t)
		var secret atomic.Value
		var asked atomic.Int32
		secret.Store("wrong")
		creds := newCreds(t, i, func(c *credentials.Config) {
			c.Auth = clientauth.SecretBasic(func(context.Context) (string, error) {
				asked.Add(1)
				return secret.Load().(string), nil
			})
		})
		wantError(t, creds.Ready(context.Background()), credentials.KindRejected, codes.Unauthenticated)
		time.Sleep(time.Second)
		secret.Store(clientSecret)
		wantError(t, creds.Ready(context.Background()), credentials.KindRejected, codes.Unauthenticated)
		if n := asked.Load(); n != 1 {
			t.Fatalf("asked %d times before the probe", n)
		}
		time.Sleep(40 * time.Second)
		synctest.Wait()
		if err := creds.Ready(context.Background()); err != nil || asked.Load() != 2 {
			t.Fatal(err, asked.Load())
		}
	})
}
