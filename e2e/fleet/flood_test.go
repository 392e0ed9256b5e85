package fleet

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"google.golang.org/grpc"

	"github.com/usher-auth/usher/examples/quickstart/demo/authserver"
	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"

	"github.com/usher-auth/usher/credentials/verify"
)

// dated is a token and when it was asked for.
type dated struct {
	text fixed
	at   time.Time
}

// refusals are those of tokens that their issuer has signed, with the tokens' age
// at the call. Safe for concurrent use.
type refusals struct {
	mu  sync.Mutex
	all []refusal
}

type refusal struct {
	age time.Duration
	err error
}

func (r *refusals) add(age time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, refusal{age, err})
}

// TestRotationBesideAFlood rotates the issuer's key each second while a
// flood of tokens under made-up keys spends what fetches there are, and 50
// callers bring the tokens of the last rotations. A call whose key isn't known
// yet is UNAVAILABLE with the time until the next fetch; once that has passed, no
// call fails.
func TestRotationBesideAFlood(t *testing.T) {
	t.Parallel()
	const (
		rotations = 20
		callers   = 50
		strangers = 4
		remember  = 5               // the tokens of so many rotations are in use
		slack     = time.Second     // and the round trips of a busy machine
		interval  = 2 * time.Second // the default of JWTConfig.UnknownKeyInterval
	)
	w := newWorld(t)
	secret := rand.Text()
	issuer := must(authserver.New(authserver.Config{
		Certificate: w.cert, Resources: []string{audience},
		Clients: []authserver.Client{{ID: "caller", Secret: secret}},
	}))(t)
	w.cleanup(issuer.Close)
	target := w.guard(w.jwt(verify.JWTConfig{Issuer: issuer.Issuer()}), viewers("service:caller"), services)
	source := clientcredentials.Config{
		ClientID: "caller", ClientSecret: secret, TokenURL: issuer.TokenURL(),
		AuthStyle: oauth2.AuthStyleInHeader, EndpointParams: map[string][]string{"resource": {audience}},
	}
	var tokens atomic.Pointer[[]dated]
	tokens.Store(&[]dated{})
	mint := func() {
		text := fixed(must(source.Token(context.WithValue(w.ctx, oauth2.HTTPClient, w.http)))(t).AccessToken)
		recent := append([]dated{{text, time.Now()}}, *tokens.Load()...)
		recent = recent[:min(len(recent), remember)]
		tokens.Store(&recent)
	}
	mint()
	docs := make([]docsv1.DocumentServiceClient, callers)
	for i := range docs {
		docs[i] = w.dial(target)
		if err := get(w.ctx, docs[i], grpc.PerRPCCredentials((*tokens.Load())[0].text)); err != nil {
			t.Fatal(err) // connected, so that the calls below take no time for it
		}
	}

	ctx, stop := context.WithCancel(w.ctx)
	defer stop()
	l, begun := w.newLoad(), time.Now()
	l.control(docs[0])
	var refusals refusals
	var running sync.WaitGroup
	var flood, calls, waited, faults atomic.Int64
	fault := func(format string, args ...any) { // a few say it all
		if faults.Add(1) <= 5 {
			t.Errorf(format, args...)
		}
	}
	repeat := func(do func()) {
		running.Go(func() {
			for pause(ctx, time.Duration(mathrand.Int64N(int64(2*pace)))) {
				do()
			}
		})
	}
	for range strangers {
		docs := w.dial(target)
		repeat(func() {
			for range 5 {
				flood.Add(1)
				err := get(ctx, docs, grpc.PerRPCCredentials(madeUp(issuer.Issuer(), rand.Text())))
				if reason(err) == granted {
					fault("a token under a made-up key got through")
				}
			}
		})
	}
	for _, docs := range docs {
		repeat(func() {
			recent := *tokens.Load()
			token := recent[mathrand.IntN(len(recent))]
			age := time.Since(token.at)
			err := get(ctx, docs, grpc.PerRPCCredentials(token.text))
			if ctx.Err() != nil {
				return
			}
			calls.Add(1)
			got := reason(err)
			if got == granted {
				return
			}
			waited.Add(1)
			if wrong := notYet(err, got, interval); wrong != "" {
				fault("a token of %s: %s", age, wrong)
			}
			refusals.add(age, err)
		})
	}
	for range rotations {
		if _, err := issuer.Rotate(); err != nil {
			t.Fatal(err)
		}
		mint()
		pause(w.ctx, time.Second)
	}
	stop()
	running.Wait()
	l.end()

	limit := interval + slack + roundTrips*l.slowest(begun)
	for _, r := range refusals.all {
		if r.age > limit {
			fault("a token of %s is still refused: %v", r.age, r.err)
		}
	}

	// After the flood nothing spends the next fetch.
	for {
		err := get(w.ctx, docs[0], grpc.PerRPCCredentials((*tokens.Load())[0].text))
		if err == nil {
			break
		}
		wait, ok := retryAfter(err)
		if !ok || wait > interval {
			t.Fatalf("after the flood: %v, again in %s", err, wait)
		}
		pause(w.ctx, wait)
	}
	for _, token := range *tokens.Load() {
		if err := get(w.ctx, docs[0], grpc.PerRPCCredentials(token.text)); err != nil {
			t.Errorf("after the flood: %v", err)
		}
	}
	t.Logf("%d rotations, %d made-up tokens, %d calls, %d of them before the fetch, %d faults", rotations, flood.Load(), calls.Load(), waited.Load(), faults.Load())
	if calls.Load() < callers*rotations || flood.Load() < rotations {
		t.Error("too few to show anything")
	}
}

// notYet describes what is wrong with a refusal that should ask the caller to retry
// soon. It is empty if nothing is.
func notYet(err error, got string, interval time.Duration) string {
	const want = "Unavailable VERIFIER_UNAVAILABLE"
	if got != want {
		return fmt.Sprintf("%s (%v), want %s", got, err, want)
	}
	wait, ok := retryAfter(err)
	if !ok || wait <= 0 || wait > interval {
		return fmt.Sprintf("%s: retry after %s, want at most %s", strings.ToLower(got), wait, interval)
	}
	return ""
}
