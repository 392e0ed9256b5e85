package credentials_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
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

func TestRefusedBeforeExpiry(t *testing.T) {
	setup := func(t *testing.T) (*credentialstest.Issuer, *credentials.Credentials, *guarded) {
		t.Helper()
		i := newIssuer(t)
		creds := newCreds(t, i, localPlaintext)
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
		synctest.Wait() // for the refresh that it forced
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
	bubble(t, "row 52: at most one forced refresh in 30 s, the current token goes on being sent, and others keep theirs", func(t *testing.T) {
		i, creds, bad := setup(t)
		good := &guarded{}
		opts := creds.DialOptions()
		badClient := bad.inProcess(t, append(opts, grpc.WithAuthority("bad.test"))...)
		goodClient := good.inProcess(t, opts...)
		bad.setJudge(func(string) error { return challenge(invalidToken) })
		for range 120 {
			if err := check(within(t, time.Second), badClient); status.Convert(err).Message() != "refused" {
				t.Fatalf("%v, want the server's own answer", err)
			}
			if err := check(within(t, time.Second), goodClient); err != nil {
				t.Fatalf("the good server suffers: %v", err)
			}
			time.Sleep(time.Second)
		}
		if n := i.Requests(token); n < 4 || n > 5 {
			t.Errorf("%d requests in two minutes, want the first and one each 30 to 36 s", n)
		}
		if n := len(bad.tokens()); n < 120 || n > 130 {
			t.Errorf("%d calls reached the server that refuses, want each, and few replays", n)
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
		for range 3 {
			if err := check(within(t, time.Second), twoClient); status.Convert(err).Message() != "refused" {
				t.Fatal(err)
			}
		}
		if len(two.tokens()) != 3 || i.Requests(token) != 2 {
			t.Fatal(two.tokens(), i.Requests(token))
		}
	})
	bubble(t, "row 52: a token that was accepted since it was refused is good: nothing is refreshed later", func(t *testing.T) {
		i, creds, server := setup(t)
		client := server.inProcess(t, creds.DialOptions()...)
		server.setJudge(revoking(value(t, creds)))
		if err := check(within(t, time.Second), client); err != nil { // forces the one refresh
			t.Fatal(err)
		}
		server.setJudge(func(string) error { return challenge(invalidToken) })
		if err := check(within(t, time.Second), client); err == nil {
			t.Fatal("not refused")
		}
		server.setJudge(nil)
		if err := check(within(t, time.Second), client); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if n := i.Requests(token); n != 2 {
			t.Errorf("%d requests, want 2", n)
		}
	})
	for name, silent := range map[string]bool{"its first message": false, "its end without one": true} {
		bubble(t, "row 52: a stream's token is accepted by "+name, func(t *testing.T) {
			i, creds, server := setup(t)
			server.silent = silent
			client := server.inProcess(t, creds.DialOptions()...)
			server.setJudge(revoking(value(t, creds)))
			if err := check(within(t, time.Second), client); err != nil { // forces the one refresh
				t.Fatal(err)
			}
			server.setJudge(func(string) error { return challenge(invalidToken) })
			if err := watch(within(t, time.Second), client); status.Code(err) != codes.Unauthenticated {
				t.Fatal(err)
			}
			server.setJudge(nil)
			ctx, cancel := context.WithCancel(within(t, time.Minute))
			s, err := client.Watch(ctx, &healthv1.HealthCheckRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Recv(); silent != errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			cancel() // the end of most streams
			time.Sleep(10 * time.Minute)
			if n := i.Requests(token); n != 2 {
				t.Errorf("%d requests, want 2", n)
			}
		})
	}
	bubble(t, "row 52: a token that only was refused is replaced when the 30 s are over, before the next call", func(t *testing.T) {
		i, creds, server := setup(t)
		client := server.inProcess(t, creds.DialOptions()...)
		server.setJudge(revoking(value(t, creds)))
		if err := check(within(t, time.Second), client); err != nil {
			t.Fatal(err)
		}
		second := value(t, creds)
		server.setJudge(revoking(second))
		if err := watch(within(t, time.Second), client); status.Code(err) != codes.Unauthenticated {
			t.Fatal(err)
		}
		time.Sleep(29 * time.Second)
		if n := i.Requests(token); n != 2 || value(t, creds) != second {
			t.Fatalf("%d requests within 30 s", n)
		}
		time.Sleep(8 * time.Second)
		if err := watch(within(t, time.Second), client); status.Code(err) == codes.Unauthenticated || i.Requests(token) != 3 {
			t.Errorf("%v, %d requests", err, i.Requests(token))
		}
	})
	bubble(t, "row 52: a refused token is replaced within 2 s of the endpoint's return", func(t *testing.T) {
		i, creds, server := setup(t)
		client := server.inProcess(t, creds.DialOptions()...)
		server.setJudge(revoking(value(t, creds)))
		i.Down()
		back := time.Now().Add(5 * time.Minute)
		time.AfterFunc(5*time.Minute, i.Up)
		late, failed := time.Duration(0), 0
		for time.Now().Before(back.Add(30 * time.Second)) {
			if err := check(within(t, time.Second), client); err != nil {
				late = time.Since(back)
				failed++
				if status.Convert(err).Message() != "refused" {
					t.Fatalf("%v, want the server's own answer", err)
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
		if failed < 3000-1 || late > 2*time.Second {
			t.Errorf("the last call failed %v after the endpoint was back", late)
		}
	})
	bubble(t, "row 52: Invalidate keeps to the 30 s, and the token goes on until there is a newer one", func(t *testing.T) {
		i, creds, server := setup(t)
		client := server.inProcess(t, creds.DialOptions()...)
		first := value(t, creds)
		creds.Invalidate("another token")
		if value(t, creds) != first {
			t.Fatal("the wrong token was dropped")
		}
		creds.Invalidate(first)
		second := value(t, creds)
		if second == first {
			t.Fatal("Token did not wait for the refresh that Invalidate began")
		}
		creds.Invalidate(second)
		if got := value(t, creds); got != second {
			t.Fatal("refreshed again within 30 s")
		}
		for range 2 { // being accepted doesn't clear a token that the caller knows to be bad
			if err := check(within(t, time.Second), client); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(37 * time.Second)
		third := value(t, creds)
		if third == first || third == second || i.Requests(token) != 3 {
			t.Fatal(i.Requests(token))
		}
	})
	bubble(t, "row 52: Token waits 2 s for the refresh that Invalidate began, calls don't wait", func(t *testing.T) {
		i, creds, server := setup(t)
		client := server.inProcess(t, creds.DialOptions()...)
		first := value(t, creds)
		i.Script(token, credentialstest.Delay(5*time.Second))
		creds.Invalidate(first)
		start := time.Now()
		if err := check(within(t, time.Second), client); err != nil || time.Since(start) != 0 {
			t.Errorf("a call: %v after %v", err, time.Since(start))
		}
		if got := value(t, creds); got != first || time.Since(start) != 2*time.Second {
			t.Errorf("after %v, the old token: %v", time.Since(start), got == first)
		}
		time.Sleep(4 * time.Second)
		if value(t, creds) == first {
			t.Error("the old token is served beside a newer one")
		}
	})
	bubble(t, "row 52: an endpoint that gives the refused token again isn't hammered, and the token goes on", func(t *testing.T) {
		i, creds, server := setup(t)
		other := &guarded{}
		client, otherClient := server.inProcess(t, creds.DialOptions()...), other.inProcess(t, creds.DialOptions()...)
		first := value(t, creds)
		server.setJudge(revoking(first))
		i.Script(token, credentialstest.Always(credentialstest.Alter(map[string]any{"access_token": first})))
		for range 60 {
			if err := check(within(t, time.Second), client); status.Convert(err).Message() != "refused" {
				t.Fatal(err)
			}
			if err := check(within(t, time.Second), otherClient); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if n, arrived := i.Requests(token), len(server.tokens()); n > 3 || arrived != 60 {
			t.Errorf("%d requests in a minute, %d calls arrived", n, arrived)
		}
		i.Heal(token)
		time.Sleep(30 * time.Second)
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
