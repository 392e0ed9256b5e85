package fleet

import (
	"crypto/rand"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/usher-auth/usher/examples/quickstart/demo/authserver"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/verify"
)

// TestOneWrongReplica has replicas behind one name, of which one is for
// another audience: it refuses every token as invalid. Calls are spread in turn,
// so its share is lost, and no more; the token is not replaced for each refusal.
func TestOneWrongReplica(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		replicas int
		atLeast  float64
	}{
		"one of ten": {10, 0.89},
		"one of two": {2, 0.49},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			oneWrongOf(t, c.replicas, c.atLeast)
		})
	}
}

// oneWrongOf calls for a minute, so that a refresh could be forced more than once
// if the time between two weren't kept.
func oneWrongOf(t *testing.T, replicas int, atLeast float64) {
	const (
		length        = time.Minute
		callers       = 4
		tokenRequests = 3
	)
	w := newWorld(t)
	secret := rand.Text()
	issuer := must(authserver.New(authserver.Config{
		Certificate: w.cert, Resources: []string{audience},
		Clients: []authserver.Client{{ID: "caller", Secret: secret}},
	}))(t)
	w.cleanup(issuer.Close)
	var addresses []resolver.Address
	for i := range replicas {
		cfg := verify.JWTConfig{Issuer: issuer.Issuer()}
		if i == 0 {
			cfg.Audiences = []string{"https://mail.internal"}
		}
		addresses = append(addresses, resolver.Address{Addr: w.guard(w.jwt(cfg), viewers("service:caller"), services)})
	}
	replicated := manual.NewBuilderWithScheme("replicas")
	replicated.InitialState(resolver.State{Addresses: addresses})
	creds := w.credentials(credentials.Config{
		TokenURL: issuer.TokenURL(), ClientID: "caller", Auth: clientauth.SecretBasic(clientauth.Constant(secret)),
	})
	docs := w.dial("replicas:///documents", append(creds.DialOptions(),
		grpc.WithAuthority("localhost"), grpc.WithResolvers(replicated),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`))...)

	l := w.newLoad()
	for i := range callers {
		l.caller(string(rune('a'+i)), docs)
	}
	pause(w.ctx, length)
	calls := l.end()
	counts := count(calls)
	passed := float64(counts[granted]) / float64(len(calls))
	t.Logf("%d replicas, %s: %.3f passed, %d token requests: %s", replicas, length, passed, issuer.TokenRequests(), counts)
	if passed < atLeast {
		t.Errorf("%.3f of the calls passed, want %.2f", passed, atLeast)
	}
	if n := issuer.TokenRequests(); n > tokenRequests {
		t.Errorf("%d token requests, want at most %d", n, tokenRequests)
	}
	for _, c := range calls {
		if c.got != granted && c.got != "Unauthenticated TOKEN_INVALID" {
			t.Errorf("%s, which no server said", c.err)
			break
		}
	}
}
