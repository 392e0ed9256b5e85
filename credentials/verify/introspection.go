package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/usher-auth/usher/credentials"
	"github.com/usher-auth/usher/credentials/internal/clientauth"
)

// Introspection verifies tokens by asking their issuer (RFC 7662). It is safe
// for concurrent use.
type Introspection struct {
	id        identity
	audiences []string // nil: any
	leeway    time.Duration
	expected  *expectation
	limit     int
	positive  time.Duration
	negative  time.Duration
	timeout   time.Duration
	observer  Observer

	endpoint clientauth.Endpoint
	clientID string
	auth     credentials.Auth
	client   *http.Client
	breaker  *gobreaker.CircuitBreaker[string]
	// pausedUntil is when the endpoint wants to be asked again, as an instant.
	pausedUntil atomic.Int64

	active *tokenCache
	// inactive is apart, so that made-up tokens can't drive out good ones. Its
	// entries are found by fingerprint: a made-up token can be long.
	inactive *tokenCache
	slots    chan struct{}

	ctx    context.Context //nolint:containedctx // of the requests, which no caller owns; ended by Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
	closed atomic.Bool // set under mu
	mu     sync.Mutex
	calls  *introspectionCalls
}

// NewIntrospection makes a verifier. It does no I/O. The verifier must be
// closed.
func NewIntrospection(cfg IntrospectionConfig) (*Introspection, error) {
	var problems []error
	bad := func(err error) {
		if err != nil {
			problems = append(problems, err)
		}
	}
	leeway, err := leewayOf(cfg.Leeway)
	bad(err)
	bad(checkEndpoint("URL", cfg.URL))
	bad(checkIssuer(cfg.Issuer, false))
	endpoint := clientauth.Endpoint{URL: cfg.URL, Issuer: cfg.Issuer}
	if err := clientauth.Check(cfg.Auth, cfg.ClientID, endpoint); err != nil {
		bad(fmt.Errorf("verify: Auth: %w", err))
	}
	client, err := clientauth.Client(cfg.Auth, cfg.HTTPClient)
	if err != nil {
		bad(fmt.Errorf("verify: HTTPClient: %w", err))
	}
	timeout := orDefault(cfg.Timeout, DefaultIntrospectionTimeout)
	if err == nil {
		// Requests run on a context with the shorter timeout. The client's own
		// would leave a goroutine behind for each that panics.
		timeout, client.Timeout = min(timeout, client.Timeout), 0
	}
	switch {
	case cfg.InsecureAnyAudience && len(cfg.Audiences) > 0:
		bad(errors.New("verify: InsecureAnyAudience contradicts Audiences: set one"))
	case !cfg.InsecureAnyAudience:
		bad(checkAudiences(cfg.Audiences))
	}
	profile, err := newProfile(cfg.Profile, cfg.Issuer)
	bad(err)
	if profile.TrustDomain {
		bad(errors.New("verify: Profile: TrustDomain: a JWT-SVID can't be introspected"))
	}
	audiences := append([]string(nil), cfg.Audiences...)
	in := &Introspection{
		id:        identity{issuer: cfg.Issuer, name: orDefault(cfg.IssuerName, cfg.Issuer), profile: profile},
		audiences: audiences, leeway: leeway,
		expected: &expectation{
			config: "IntrospectionConfig", issuers: []string{cfg.Issuer}, audiences: audiences, leeway: leeway, profile: profile,
		},
		limit:    orDefault(cfg.MaxTokenBytes, DefaultMaxTokenBytes),
		positive: orDefault(cfg.PositiveTTL, DefaultPositiveTTL),
		negative: orDefault(cfg.NegativeTTL, DefaultNegativeTTL),
		timeout:  timeout,
		observer: cfg.Observer, endpoint: endpoint, clientID: cfg.ClientID, auth: cfg.Auth, client: client,
		calls: &introspectionCalls{byToken: make(map[string]*introspectionCall)},
	}
	concurrent := orDefault(cfg.MaxConcurrent, DefaultMaxConcurrent)
	if min(in.limit, concurrent) < 0 || min(in.positive, in.negative, in.timeout) < 0 {
		bad(errors.New("verify: a limit or a time is negative"))
	}
	if max(in.positive, in.negative) > maxPositiveTTL {
		bad(fmt.Errorf("verify: PositiveTTL and NegativeTTL: at most %v", maxPositiveTTL))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	size := orDefault(cfg.CacheSize, DefaultCacheSize)
	in.active, in.inactive = newTokenCache(size), newTokenCache(size)
	in.slots = make(chan struct{}, concurrent)
	in.breaker = newBreaker()
	in.ctx, in.cancel = context.WithCancel(context.Background())
	return in, nil
}

// newBreaker makes the circuit breaker. Only what says that the endpoint is
// unwell counts: no answer, 5xx and 429. A token can't bring about any of them.
func newBreaker() *gobreaker.CircuitBreaker[string] {
	return gobreaker.NewCircuitBreaker[string](gobreaker.Settings{
		Timeout:     breakerOpen,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakerFailures },
		IsSuccessful: func(err error) bool {
			var f *fetchError
			return !errors.As(err, &f) || f.config || f.status != 0 && f.status < 500 && f.status != http.StatusTooManyRequests
		},
	})
}

// Verify asks the issuer about a token, unless it did so a short while ago.
func (in *Introspection) Verify(ctx context.Context, token string, req Requirements) (*Principal, error) {
	if req.Validation != ValidationDefault && req.Validation != ValidationIntrospect {
		if req.Validation == ValidationLocal {
			return nil, errCantLocal
		}
		return nil, errValidation
	}
	if in.observer.Verified == nil {
		p, _, err := in.verify(ctx, token, &req)
		return p, err
	}
	start := time.Now()
	p, source, err := in.verify(ctx, token, &req)
	notify(in.observer.Verified, Verified{Issuer: in.id.name, Source: source, Err: err, Duration: time.Since(start)})
	return p, err
}

func (in *Introspection) verify(ctx context.Context, token string, req *Requirements) (*Principal, Source, error) {
	if in.closed.Load() {
		return nil, 0, unavailable(errClosed, 0)
	}
	verdict, source := in.remembered(token), SourceCache
	if verdict == nil {
		if len(token) > in.limit {
			return nil, 0, errTokenSize
		}
		if !isB64Token(token) {
			return nil, 0, errTokenCharset
		}
		var err error
		if verdict, err = in.ask(ctx, token); err != nil {
			return nil, SourceIntrospection, err
		}
		source = SourceIntrospection
	}
	if verdict.refused != nil {
		return nil, source, verdict.refused
	}
	if refused := verdict.principal.c.confirmation.check(req.PeerCertificate); refused != nil {
		return nil, source, refused
	}
	return verdict.principal, source, nil
}

func (in *Introspection) remembered(token string) *cached {
	now := instantOf(time.Now())
	if e := in.active.get(token, now); e != nil {
		return e
	}
	return in.inactive.get(fingerprint(token), now)
}

// Ready checks nothing but that the verifier is open: an endpoint can't be asked
// without a token.
func (in *Introspection) Ready(context.Context) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed.Load() {
		return unavailable(errClosed, 0)
	}
	return nil
}

// Close ends the requests under way and waits for them. It may be called more
// than once. A verifier must not be used after Close.
func (in *Introspection) Close() error {
	in.mu.Lock()
	in.closed.Store(true)
	in.mu.Unlock()
	in.cancel()
	in.wg.Wait()
	return nil
}
