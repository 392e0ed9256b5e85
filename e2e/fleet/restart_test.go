package fleet

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	docsv1 "github.com/usher-auth/usher/examples/quickstart/proto/docs/v1"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/verify"
)

const (
	// recoveryGoal is goal 16: from the moment an issuer answers again until
	// every call passes.
	recoveryGoal = 3 * time.Second
	// roundTrips is what a recovery takes beside the waiting: a token, the keys,
	// the call. A busy machine is given the time that it took for calls without
	// a token meanwhile, so many times.
	roundTrips = 3
	// watched is how long calls are watched after that: none may fail.
	watched = 5 * time.Second
	// before is how long calls are watched before the issuer is killed.
	before = 2 * time.Second
	// startTimeout is how long a caller's first success may take.
	startTimeout = 30 * time.Second
)

// restart is one way in which an issuer dies and comes back with new keys.
type restart struct {
	name     string
	issuer   func(w *world, lifetime time.Duration, clients ...issuerClient) *process
	verifier func(w *world, p *process) verify.Verifier
	opaque   bool
	lifetime time.Duration // of tokens
	outage   time.Duration // how long the process is not there
	kids     [2]string     // before and after
	// stranger sends a token under a made-up key to each server just before the
	// issuer is killed, which spends what fetches there are.
	stranger bool
	// flood is a stranger who doesn't stop.
	flood bool
}

// TestIssuerKilledAndRestarted kills an issuer's process under load and
// starts it again with new keys: with tokens that ended meanwhile, or with tokens
// that are still good for their clients; under new kids or the old ones. From the
// moment it answers again calls pass within goal 16. While it is away calls are
// UNAVAILABLE at most, never refused.
func TestIssuerKilledAndRestarted(t *testing.T) {
	t.Parallel()
	const (
		down        = 20 * time.Second
		long, short = 30 * time.Second, 10 * time.Second // of tokens
	)
	goJWT := localVerifier(verify.Profile{})
	nodeJWT := localVerifier(verify.NodeOIDCProvider())
	goOIDC, nodeOIDC := (*world).goOIDC, (*world).nodeOIDC
	other, same := [2]string{"a", "b"}, [2]string{"a", "a"}
	// Groups run beside each other: most of the time they wait.
	for name, group := range map[string][]restart{
		"go-oidc, at once": {
			{name: "other kids, beside a stranger", issuer: goOIDC, verifier: goJWT, lifetime: long, kids: other, stranger: true},
			{name: "the same kid, beside a stranger", issuer: goOIDC, verifier: goJWT, lifetime: long, kids: same, stranger: true},
			{name: "other kids, beside a flood", issuer: goOIDC, verifier: goJWT, lifetime: long, kids: other, flood: true},
			{name: "the same kid, beside a flood", issuer: goOIDC, verifier: goJWT, lifetime: long, kids: same, flood: true},
		},
		"go-oidc, down": {
			{name: "other kids", issuer: goOIDC, verifier: goJWT, lifetime: short, outage: down, kids: other},
			{name: "the same kid", issuer: goOIDC, verifier: goJWT, lifetime: short, outage: down, kids: same},
		},
		"node-oidc-provider, at once": {
			{name: "the same kid", issuer: nodeOIDC, verifier: nodeJWT, lifetime: long, kids: same},
			{name: "opaque tokens", issuer: nodeOIDC, verifier: introspectingVerifier, opaque: true, lifetime: long, kids: other},
		},
		"node-oidc-provider, down": {
			{name: "other kids", issuer: nodeOIDC, verifier: nodeJWT, lifetime: short, outage: down, kids: other},
			{name: "opaque tokens", issuer: nodeOIDC, verifier: introspectingVerifier, opaque: true, lifetime: short, outage: down, kids: other},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, r := range group {
				t.Run(r.name, r.run)
			}
		})
	}
}

// callers of these tests: those who are there when the issuer dies, and the one
// who comes when it is back.
var (
	early = []string{"caller-0", "caller-1", "caller-2"}
	late  = "caller-3"
)

func (r restart) run(t *testing.T) {
	w := newWorld(t)
	clients := []issuerClient{{ID: serverID}}
	engine := viewers("service:"+early[0], "service:"+early[1], "service:"+early[2], "service:"+late)
	for _, id := range append([]string{late}, early...) {
		clients = append(clients, issuerClient{ID: id, Opaque: r.opaque})
	}
	issuer := r.issuer(w, r.lifetime, clients...)
	issuer.start(r.kids[0])
	targets := []string{
		w.guard(r.verifier(w, issuer), engine, services),
		w.guard(r.verifier(w, issuer), engine, services),
	}

	l := w.newLoad()
	for _, target := range targets {
		l.control(w.dial(target))
	}
	for _, id := range early {
		for i, first := range w.callers(l, id, issuer.credentials(id), targets) {
			select {
			case <-first:
			case <-time.After(startTimeout):
				t.Fatalf("%s never got through to server %d: %v", id, i, l.end()[0].err)
			}
		}
	}
	begun := time.Now()
	pause(w.ctx, before)
	if r.stranger {
		for _, target := range targets {
			w.intrude(w.ctx, w.dial(target), issuer.url)
		}
	}
	if r.flood {
		for _, target := range targets {
			docs := w.dial(target)
			l.running.Go(func() {
				for pause(l.ctx, pace/10) {
					w.intrude(l.ctx, docs, issuer.url)
				}
			})
		}
	}
	killed := time.Now()
	calm := w.lastCauses()
	issuer.kill()
	pause(w.ctx, r.outage)
	answers := issuer.start(r.kids[1])
	w.callers(l, late, issuer.credentials(late), targets)
	goal := func() time.Duration { return recoveryGoal + roundTrips*l.slowest(killed) }
	for pause(w.ctx, time.Until(answers.Add(goal()+watched))) && time.Since(answers) < goal()+watched {
		continue // it took longer meanwhile
	}
	at := moments{begun, killed, answers, goal()}
	calls := l.end()
	defer func() {
		if t.Failed() {
			t.Logf("not verified before the outage: %q\nat last: %q", calm, w.lastCauses())
		}
	}()
	judge(t, r, calls, at)
}

// moments are when the calls were begun to be watched, when the issuer was
// killed, and from when on it answered; and how long it may take from there until
// all calls pass.
type moments struct {
	begun, killed, answers time.Time
	goal                   time.Duration
}

// judge holds every call against the time at which it was made.
func judge(t *testing.T, r restart, calls []call, at moments) {
	t.Helper()
	var away, back, recovered []call
	var last call
	for _, c := range calls {
		switch {
		case c.end.Before(at.killed):
			if c.got != granted && c.start.After(at.begun) {
				t.Errorf("before the outage: %s: %v", c.caller, c.err)
			}
		case c.start.Before(at.answers): // or under way when the issuer was killed
			away = append(away, c)
			if !unavailable(c.got) {
				t.Errorf("%s into the outage: %s: %s (%v)", c.start.Sub(at.killed), c.caller, c.got, c.err)
			}
		default:
			back = append(back, c)
			if c.got != granted {
				last = c
			}
			if c.start.Sub(at.answers) > at.goal {
				recovered = append(recovered, c)
			}
		}
	}
	if last.err != nil && last.start.Sub(at.answers) > at.goal {
		t.Errorf("%s after the issuer answered again: %s: %s (%v)", last.start.Sub(at.answers), last.caller, last.got, last.err)
	}
	if counts := count(recovered); counts[granted] < len(recovered)/2 || len(recovered) == 0 {
		t.Errorf("after the recovery: %s", counts)
	}
	if r.outage > r.lifetime && count(away)[granted] == len(away) {
		t.Error("no call missed the issuer: the outage shows nothing")
	}
	var took time.Duration
	if last.err != nil {
		took = last.start.Sub(at.answers)
	}
	t.Logf("recovered within %s of %s; down: %s; back: %s",
		took.Round(time.Millisecond), at.goal.Round(time.Millisecond), count(away), count(back))
}

// unavailable reports whether a call's status means only that a server was not
// available.
func unavailable(got string) bool {
	return got == granted || got == "DeadlineExceeded" || got == "Unavailable" || got == "Unavailable VERIFIER_UNAVAILABLE"
}

// callers starts a caller at each server, who share their credentials.
func (w *world) callers(l *load, id string, creds *credentials.Credentials, targets []string) []<-chan struct{} {
	w.t.Helper()
	firsts := make([]<-chan struct{}, 0, len(targets))
	for i, target := range targets {
		firsts = append(firsts, l.caller(fmt.Sprintf("%s at %d", id, i), w.dial(target, creds.DialOptions()...)))
	}
	return firsts
}

func localVerifier(profile verify.Profile) func(*world, *process) verify.Verifier {
	return func(w *world, p *process) verify.Verifier {
		return w.jwt(verify.JWTConfig{Issuer: p.url, Profile: profile})
	}
}

func introspectingVerifier(w *world, p *process) verify.Verifier {
	cfg := p.introspectionConfig(verify.NodeOIDCProvider())
	cfg.PositiveTTL = time.Second
	return w.introspection(cfg)
}

// intrude sends a token under a made-up key.
func (w *world) intrude(ctx context.Context, docs docsv1.DocumentServiceClient, issuer string) {
	w.t.Helper()
	if got := reason(get(ctx, docs, grpc.PerRPCCredentials(madeUp(issuer, rand.Text())))); got == granted {
		w.t.Error("a token under a made-up key got through")
	}
}

// madeUp is a token that looks right, under a key that its issuer never had.
func madeUp(issuer, kid string) fixed {
	part := func(v map[string]any) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err) // of strings and numbers
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	signature := make([]byte, 64)
	_, _ = rand.Read(signature) // never fails
	now := time.Now()
	return fixed(strings.Join([]string{
		part(map[string]any{"alg": "ES256", "typ": "at+jwt", "kid": kid}),
		part(map[string]any{
			"iss": issuer, "aud": audience, "sub": "stranger", "client_id": "stranger", "jti": rand.Text(),
			"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		}),
		base64.RawURLEncoding.EncodeToString(signature),
	}, "."))
}
