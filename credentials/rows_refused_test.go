package credentials_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/credentialstest"
)

// revoking refuses the tokens in its list as invalid.
func revoking(bad ...string) func(string) error {
	return func(tok string) error {
		if slices.Contains(bad, tok) {
			return challenge(invalidToken)
		}
		return nil
	}
}

func noRepeats(t testing.TB, seen []string) {
	t.Helper()
	sorted := slices.Sorted(slices.Values(seen))
	if len(slices.Compact(slices.Clone(sorted))) != len(sorted) {
		t.Errorf("a refused token was sent again: %v", seen)
	}
}

func TestRow52RefusedBeforeExpiry(t *testing.T) {
	setup := func(t *testing.T) (*credentialstest.Issuer, *credentials.Credentials, *guarded) {
		t.Helper()
		i := newIssuer(t)
		creds := newCreds(t, i, nil, credentials.LocalPlaintext())
		return i, creds, &guarded{}
	}
	bubble(t, "row 52: a unary call is replayed once with the next token", func(t *testing.T) {
		i, creds, server := setup(t)
		client := server.inProcess(t, creds.DialOptions()...)
		first := value(t, creds)
		server.setJudge(revoking(first))
		var trailer metadata.MD
		if err := check(within(t, time.Minute), client, grpc.Trailer(&trailer)); err != nil {
			t.Fatal(err)
		}
		if seen := server.tokens(); len(seen) != 2 || seen[0] != "Bearer "+first || seen[1] == seen[0] {
			t.Fatal(seen)
		}
		if len(trailer.Get("www-authenticate")) != 0 {
			t.Error("the caller sees the trailer of the first attempt")
		}
		if n := i.Requests(token); n != 2 || server.handled != 1 {
			t.Fatalf("%d requests, handled %d times", n, server.handled)
		}
	})
	bubble(t, "row 52: a stream drops the token and is not replayed", func(t *testing.T) {
		i, creds, server := setup(t)
		client := server.inProcess(t, creds.DialOptions()...)
		server.setJudge(revoking(value(t, creds)))
		if err := watch(within(t, time.Minute), client); status.Code(err) != codes.Unauthenticated {
			t.Fatal(err)
		}
		if seen := server.tokens(); len(seen) != 1 {
			t.Fatal(seen)
		}
		if err := watch(within(t, time.Minute), client); err == nil || status.Code(err) == codes.Unauthenticated {
			t.Fatal(err)
		}
		if seen := server.tokens(); len(seen) != 2 || seen[0] == seen[1] || i.Requests(token) != 2 {
			t.Fatal(seen, i.Requests(token))
		}
	})
	for name, refusal := range map[string]error{
		"a bare UNAUTHENTICATED":         status.Error(codes.Unauthenticated, "log in first"),
		"a missing credential":           challenge("Bearer"),
		"a step-up":                      challenge(`Bearer error="insufficient_user_authentication", acr_values="gold"`),
		"a missing scope":                challenge(`Bearer error="insufficient_scope", scope="write"`),
		"another scheme's invalid_token": challenge(`DPoP error="invalid_token"`),
		"a description that mentions it": challenge(`Bearer error="invalid_request", error_description="error=\"invalid_token\""`),
	} {
		bubble(t, "row 52: nothing is dropped or replayed for "+name, func(t *testing.T) {
			i, creds, server := setup(t)
			client := server.inProcess(t, creds.DialOptions()...)
			server.setJudge(func(string) error { return refusal })
			for range 3 {
				if err := check(within(t, time.Minute), client); status.Code(err) != codes.Unauthenticated {
					t.Fatal(err)
				}
				if err := watch(within(t, time.Minute), client); status.Code(err) != codes.Unauthenticated {
					t.Fatal(err)
				}
			}
			if n := len(server.tokens()); n != 6 || i.Requests(token) != 1 {
				t.Fatalf("%d calls arrived, %d requests", n, i.Requests(token))
			}
		})
	}
	bubble(t, "row 52: the handler's own UNAUTHENTICATED is not replayed", func(t *testing.T) {
		i, creds, server := setup(t)
		server.handler = func() error { return status.Error(codes.Unauthenticated, "no such user") }
		client := server.inProcess(t, creds.DialOptions()...)
		if err := check(within(t, time.Minute), client); status.Code(err) != codes.Unauthenticated {
			t.Fatal(err)
		}
		if server.handled != 1 || i.Requests(token) != 1 {
			t.Fatal(server.handled, i.Requests(token))
		}
	})
	bubble(t, "row 52: a newer token is not dropped", func(t *testing.T) {
		i, creds, server := setup(t)
		client := server.inProcess(t, creds.DialOptions()...)
		first := value(t, creds)
		release := make(chan struct{})
		server.setJudge(func(tok string) error {
			if tok == first {
				server.mu.Unlock() // others may be judged meanwhile
				<-release
				server.mu.Lock()
				return challenge(invalidToken)
			}
			return nil
		})
		var wg sync.WaitGroup
		for range 100 { // all carry the first token when it is refused
			wg.Go(func() {
				if err := check(within(t, time.Minute), client); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Second)
		creds.Invalidate(first)
		second := value(t, creds)
		close(release)
		wg.Wait()
		if got := value(t, creds); got != second || i.Requests(token) != 2 {
			t.Fatalf("%d requests, newer token kept: %v", i.Requests(token), got == second)
		}
	})
	bubble(t, "row 52: at most one forced refresh in 30 s, no token is sent again to the server that refused it, and others keep theirs", func(t *testing.T) {
		i, creds, bad := setup(t)
		good := &guarded{}
		opts := creds.DialOptions()
		badClient := bad.inProcess(t, append(opts, grpc.WithAuthority("bad.test"))...)
		goodClient := good.inProcess(t, opts...)
		bad.setJudge(func(string) error { return challenge(invalidToken) })
		for range 120 {
			err := check(within(t, time.Second), badClient)
			if status.Code(err) != codes.Unauthenticated {
				t.Fatal(err)
			}
			if err := check(within(t, time.Second), goodClient); err != nil {
				t.Fatalf("the good server suffers: %v", err)
			}
			time.Sleep(time.Second)
		}
		noRepeats(t, bad.tokens())
		if n := i.Requests(token); n < 4 || n > 6 {
			t.Errorf("%d requests in two minutes, want one each 30 s", n)
		}
	})
	bubble(t, "row 52: a second server that refuses within the 30 s answers for itself", func(t *testing.T) {
		i, creds, one := setup(t)
		two := &guarded{}
		oneClient := one.inProcess(t, creds.DialOptions()...)
		twoClient := two.inProcess(t, append(creds.DialOptions(), grpc.WithAuthority("two.test"))...)
		one.setJudge(revoking(value(t, creds)))
		if err := check(within(t, time.Second), oneClient); err != nil {
			t.Fatal(err)
		}
		two.setJudge(func(string) error { return challenge(invalidToken) })
		if err := check(within(t, time.Second), twoClient); status.Convert(err).Message() != "refused" {
			t.Fatal(err)
		}
		e := status.Convert(check(within(t, time.Second), twoClient))
		if e.Code() != codes.Unauthenticated || e.Message() != "credentials: the server keeps refusing the tokens" {
			t.Fatal(e)
		}
		if len(two.tokens()) != 1 || i.Requests(token) != 2 {
			t.Fatal(two.tokens(), i.Requests(token))
		}
	})
	bubble(t, "row 52: Invalidate drops for everyone, and the next fetch keeps to the 30 s", func(t *testing.T) {
		i, creds, server := setup(t)
		client := server.inProcess(t, creds.DialOptions()...)
		first := value(t, creds)
		creds.Invalidate("another token")
		if value(t, creds) != first {
			t.Fatal("the wrong token was dropped")
		}
		creds.Invalidate(first)
		second := value(t, creds)
		creds.Invalidate(second)
		e := wantError(t, creds.Ready(context.Background()), credentials.KindTokenRefused, codes.Unauthenticated)
		if e.RetryAfter != 30*time.Second {
			t.Error(e.RetryAfter)
		}
		if err := check(within(t, time.Second), client); status.Code(err) != codes.Unauthenticated || len(server.tokens()) != 0 {
			t.Fatal(err)
		}
		time.Sleep(31 * time.Second)
		third := value(t, creds)
		if third == first || third == second || i.Requests(token) != 3 {
			t.Fatal(i.Requests(token))
		}
	})
	bubble(t, "row 52: an endpoint that gives the refused token again is not believed", func(t *testing.T) {
		i, creds, server := setup(t)
		client := server.inProcess(t, creds.DialOptions()...)
		first := value(t, creds)
		server.setJudge(revoking(first))
		i.Script(token, credentialstest.Always(credentialstest.Alter(map[string]any{"access_token": first})))
		for range 60 {
			if err := check(within(t, time.Second), client); status.Code(err) != codes.Unauthenticated {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		noRepeats(t, server.tokens())
		if n := i.Requests(token); n > 4 {
			t.Errorf("%d requests in a minute", n)
		}
		i.Heal(token)
		time.Sleep(5 * time.Minute)
		if err := check(within(t, time.Second), client); err != nil {
			t.Fatal(err)
		}
	})
	bubble(t, "row 52: with the endpoint down the server's answer is returned", func(t *testing.T) {
		i, creds, server := setup(t)
		client := server.inProcess(t, creds.DialOptions()...)
		server.setJudge(revoking(value(t, creds)))
		i.Down()
		if err := check(within(t, time.Minute), client); status.Code(err) != codes.Unauthenticated || status.Convert(err).Message() != "refused" {
			t.Fatal(err)
		}
	})
	bubble(t, "row 52: a token of WithToken is neither dropped nor replayed", func(t *testing.T) {
		i, creds, server := setup(t)
		client := server.inProcess(t, creds.DialOptions()...)
		first := value(t, creds)
		server.setJudge(revoking("mine"))
		if err := check(credentials.WithToken(within(t, time.Minute), "mine"), client); status.Code(err) != codes.Unauthenticated {
			t.Fatal(err)
		}
		if seen := server.tokens(); len(seen) != 1 || seen[0] != "Bearer mine" || value(t, creds) != first || i.Requests(token) != 1 {
			t.Fatal(seen)
		}
		if err := check(credentials.WithToken(within(t, time.Minute), "a b"), client); status.Code(err) != codes.Internal {
			t.Fatal(err)
		}
	})
	bubble(t, "row 52: with a second authorization value nothing is dropped", func(t *testing.T) {
		i, creds, server := setup(t)
		client := server.inProcess(t, creds.DialOptions()...)
		server.setJudge(func(string) error { return nil })
		ctx := metadata.AppendToOutgoingContext(within(t, time.Minute), "authorization", "Bearer mine")
		if err := check(ctx, client); status.Code(err) != codes.Unauthenticated {
			t.Fatal(err)
		}
		if n := len(server.tokens()); n != 2 || i.Requests(token) != 1 {
			t.Fatal(n, i.Requests(token))
		}
	})
}
