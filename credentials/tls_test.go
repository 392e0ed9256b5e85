package credentials_test

import (
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/credentialstest"
)

// socketIssuer is an issuer over a socket that knows the client.
func socketIssuer(t testing.TB) *credentialstest.Issuer {
	t.Helper()
	return socketIssuerWith(t, credentialstest.Config{})
}

func socketIssuerWith(t testing.TB, cfg credentialstest.Config) *credentialstest.Issuer {
	t.Helper()
	i := credentialstest.NewIssuer(t, cfg)
	i.AddClient(credentialstest.Client{ID: clientID, Secret: clientSecret})
	return i
}

// TestCodesOverTLS holds the codes that a caller sees, for credentials given
// when dialing and for one call, over real sockets on both sides.
func TestCodesOverTLS(t *testing.T) {
	for name, c := range map[string]struct {
		fault   func(*credentialstest.Issuer)
		auth    clientauth.Method
		timeout time.Duration
		code    codes.Code
	}{
		"503":              {fault: scripted(credentialstest.Status(503, "")), code: codes.Unavailable},
		"429":              {fault: scripted(credentialstest.Status(429, "30")), code: codes.Unavailable},
		"500 with HTML":    {fault: scripted(credentialstest.HTML(500)), code: codes.Unavailable},
		"403 with HTML":    {fault: scripted(credentialstest.HTML(403)), code: codes.Unavailable},
		"404":              {fault: scripted(credentialstest.Status(404, "")), code: codes.Unavailable},
		"redirect":         {fault: scripted(credentialstest.Redirect(307, "http://127.0.0.1:1/")), code: codes.Unavailable},
		"truncated":        {fault: scripted(credentialstest.Truncate()), code: codes.Unavailable},
		"connection cut":   {fault: scripted(credentialstest.Reset()), code: codes.Unavailable},
		"huge body":        {fault: scripted(credentialstest.HugeBody(8 << 20)), code: codes.Unavailable},
		"port closed":      {fault: func(i *credentialstest.Issuer) { i.Down() }, timeout: time.Second, code: codes.Unavailable},
		"invalid_client":   {fault: scripted(credentialstest.Error(401, "invalid_client")), code: codes.Unauthenticated},
		"invalid_request":  {fault: scripted(credentialstest.Error(400, "invalid_request")), code: codes.Unauthenticated},
		"invalid_target":   {fault: scripted(credentialstest.Error(400, "invalid_target")), code: codes.Unauthenticated},
		"wrong secret":     {auth: clientauth.SecretBasic(clientauth.Constant("wrong")), code: codes.Unauthenticated},
		"no secret file":   {auth: clientauth.SecretBasic(clientauth.File(filepath.Join(t.TempDir(), "none"))), code: codes.Internal},
		"a DPoP token":     {fault: scripted(credentialstest.Alter(map[string]any{"token_type": "DPoP"})), code: codes.Internal},
		"a faulty token":   {fault: scripted(credentialstest.Alter(map[string]any{"access_token": "a\nb"})), code: codes.Unavailable},
		"own deadline":     {fault: scripted(credentialstest.Hang()), timeout: 100 * time.Millisecond, code: codes.DeadlineExceeded},
		"nothing is wrong": {code: codes.OK},
	} {
		for _, level := range []string{"dial", "call"} {
			t.Run(level+": "+name, func(t *testing.T) {
				i := socketIssuerWith(t, credentialstest.Config{TLS: true})
				if c.fault != nil {
					c.fault(i)
				}
				creds := newCreds(t, i, func(cfg *credentials.Config) {
					if c.auth != nil {
						cfg.Auth = c.auth
					}
				})
				server := &guarded{}
				var dial []grpc.DialOption
				var call []grpc.CallOption
				if level == "dial" {
					dial = creds.DialOptions()
				} else {
					call = append(call, grpc.PerRPCCredentials(creds))
				}
				client := server.overTLS(t, dial...)
				timeout := c.timeout
				if timeout == 0 {
					timeout = 20 * time.Second
				}
				start := time.Now()
				err := check(within(t, timeout), client, call...)
				if status.Code(err) != c.code {
					t.Fatalf("got %v, want %v", err, c.code)
				}
				if c.code != codes.OK {
					noLeak(t, err, "page", "DOCTYPE")
					if len(server.tokens()) != 0 {
						t.Error("a call arrived")
					}
				}
				if took := time.Since(start); took > timeout/2 && c.timeout == 0 {
					t.Errorf("took %v", took)
				}
			})
		}
	}
}

func scripted(f credentialstest.Fault) func(*credentialstest.Issuer) {
	return func(i *credentialstest.Issuer) { i.Script(token, credentialstest.Always(f)) }
}

func TestOverTLS(t *testing.T) {
	t.Run("one replay after an invalid_token challenge for unary calls, none for streams", func(t *testing.T) {
		i := socketIssuer(t)
		creds := newCreds(t, i, nil)
		server := &guarded{}
		client := server.overTLS(t, creds.DialOptions()...)
		server.setJudge(revoking(value(t, creds)))
		if err := check(within(t, 20*time.Second), client); err != nil {
			t.Fatal(err)
		}
		if seen := server.tokens(); len(seen) != 2 || seen[0] == seen[1] || i.Requests(token) != 2 {
			t.Fatal(len(seen), i.Requests(token))
		}
		creds2 := newCreds(t, i, nil)
		server2 := &guarded{}
		client2 := server2.overTLS(t, creds2.DialOptions()...)
		server2.setJudge(revoking(value(t, creds2)))
		if err := watch(within(t, 20*time.Second), client2); status.Code(err) != codes.Unauthenticated {
			t.Fatal(err)
		}
		if seen := server2.tokens(); len(seen) != 1 {
			t.Fatal(seen)
		}
		if err := i.Await(within(t, 20*time.Second), token, 4); err != nil { // the next one is under way
			t.Fatal(err)
		}
	})
	t.Run("none when the handler itself says UNAUTHENTICATED", func(t *testing.T) {
		i := socketIssuer(t)
		creds := newCreds(t, i, nil)
		server := &guarded{handler: func() error { return status.Error(codes.Unauthenticated, "no such user") }}
		client := server.overTLS(t, creds.DialOptions()...)
		for range 3 {
			if err := check(within(t, 20*time.Second), client); status.Code(err) != codes.Unauthenticated {
				t.Fatal(err)
			}
		}
		if server.handled != 3 || i.Requests(token) != 1 {
			t.Fatal(server.handled, i.Requests(token))
		}
	})
	t.Run("six targets with six audiences from one credentials value", func(t *testing.T) {
		i := socketIssuer(t)
		creds := newCreds(t, i, nil)
		seen := map[string]bool{}
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			server := &guarded{}
			client := server.overTLS(t, creds.For(credentials.Target{Resources: []string{"https://" + name + ".test"}}).DialOptions()...)
			for range 3 {
				if err := check(within(t, 20*time.Second), client); err != nil {
					t.Fatal(err)
				}
			}
			got := server.tokens()
			if len(got) != 3 || got[0] != got[2] || seen[got[0]] {
				t.Fatal(got)
			}
			seen[got[0]] = true
		}
		if n := i.Requests(token); n != 6 {
			t.Fatal(n)
		}
		for n, got := range i.Received(token) {
			if want := "https://" + string(rune('a'+n)) + ".test"; got.Form.Get("resource") != want {
				t.Fatal(got.Form)
			}
		}
	})
	t.Run("a rotated secret is picked up without a restart", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "secret")
		write(t, path, clientSecret+"\n")
		i := socketIssuer(t)
		creds := newCreds(t, i, func(c *credentials.Config) { c.Auth = clientauth.SecretBasic(clientauth.File(path)) })
		server := &guarded{}
		client := server.overTLS(t, creds.DialOptions()...)
		if err := check(within(t, 20*time.Second), client); err != nil {
			t.Fatal(err)
		}
		i.AddClient(credentialstest.Client{ID: clientID, Secret: "not-a-secret-either"})
		write(t, path, "not-a-secret-either\n")
		server.setJudge(revoking(value(t, creds))) // makes the next fetch come now
		if err := check(within(t, 20*time.Second), client); err != nil {
			t.Fatal(err)
		}
		if n := i.Requests(token); n != 2 {
			t.Fatal(n)
		}
	})
	t.Run("an issuer that isn't trusted gets nothing", func(t *testing.T) {
		i := socketIssuerWith(t, credentialstest.Config{TLS: true})
		creds := newCreds(t, i, func(c *credentials.Config) { c.HTTPClient = nil })
		err := creds.Ready(within(t, 20*time.Second))
		e := wantError(t, err, credentials.KindUnavailable, codes.Unavailable)
		if got := e.Error(); got != "credentials: the authorization server's certificate is not trusted" {
			t.Fatal(got)
		}
		if n := i.Requests(token); n != 0 {
			t.Fatal(n)
		}
	})
}
