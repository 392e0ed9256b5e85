package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/usher-auth/usher/credentials/internal/authn"
	"github.com/usher-auth/usher/internal/bearer"
	"github.com/usher-auth/usher/internal/endpoint"
)

// Introspection verifies tokens by asking their issuer (RFC 7662). It is safe
// for concurrent use.
//
// Only an answer with exactly one member active, whose value is the JSON
// literal true, makes a token active, and it is read as strictly as a token's
// claims. The literal false refuses the token, whatever else the answer holds.
// A token that has the form of a JWT keeps its own binding (cnf) even if the
// answer omits it; it is refused if its payload can't be read. The binding of
// an encrypted token can't be checked. A token of more than 16 KiB is refused
// without a request, unless it is a JWT that a [Hybrid] has verified: then
// JWTConfig.MaxTokenBytes is its limit.
//
// A request that is lost with an idle connection is made once more. An answer
// other than a verdict is a [DependencyFault] of the call that asked, except a
// 400 whose OAuth error code concerns the token (unsupported_token_type,
// invalid_token), which is a [CredentialFault]. It affects other calls only if
// it concerns all of them. After a Retry-After with 429 or 503 the verifier
// pauses, up to five minutes. After a 401, or if at least five and at least
// half of the requests of ten seconds got no answer of the endpoint itself
// (none, a gateway's, 429), the verifier sends a probe, a request about a token
// that it made up. Only if the probe fails too do calls fail at once; then a
// probe each second, or each five seconds after a 401, detects when the
// endpoint has recovered.
type Introspection struct {
	id        identity
	audiences []string // nil for any
	leeway    time.Duration
	expected  *expectation
	positive  time.Duration
	negative  time.Duration
	timeout   time.Duration
	observer  Observer

	endpoint authn.Endpoint
	asked    string // names the endpoint in causes
	notGood  *Error // the refusal of a token that isn't active
	clientID string
	auth     authn.Method
	client   *http.Client
	own      *http.Transport // of client, or nil if it is the user's
	health   *health

	active *tokenCache
	// inactive is separate, so that forged tokens can't evict good ones. Its
	// keys are fingerprints, since a forged token can be long.
	inactive *tokenCache
	// slots limits concurrent requests, and strangers those of them about
	// tokens that aren't known to be good.
	slots, strangers chan struct{}

	ctx    context.Context //nolint:containedctx // of the requests, which no caller owns; ended by Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
	closed atomic.Bool // set under mu
	mu     sync.Mutex
	calls  *introspectionCalls
}

// NewIntrospection returns a verifier, or an error that lists all faults of the
// configuration. It does no I/O. The caller must close the verifier.
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
	endpoint := authn.Endpoint{URL: cfg.URL, Issuer: cfg.Issuer}
	for _, err := range authn.Check(cfg.Auth, cfg.ClientID, endpoint) {
		bad(fmt.Errorf("verify: Auth: %w", err))
	}
	client, err := authn.Client(cfg.Auth, cfg.HTTPClient)
	if err != nil {
		bad(fmt.Errorf("verify: HTTPClient: %w", err))
	}
	timeout := cmp.Or(cfg.Timeout, defaultIntrospectionTimeout)
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
		id:        identity{issuer: cfg.Issuer, name: cmp.Or(cfg.IssuerName, cfg.Issuer), profile: profile},
		audiences: audiences, leeway: leeway,
		expected: &expectation{
			config: "IntrospectionConfig", issuers: []string{cfg.Issuer}, audiences: audiences, leeway: leeway, profile: profile,
		},
		positive: cmp.Or(cfg.PositiveTTL, defaultPositiveTTL),
		negative: cmp.Or(cfg.NegativeTTL, defaultNegativeTTL),
		timeout:  timeout,
		observer: cfg.Observer, endpoint: endpoint, clientID: cfg.ClientID, auth: cfg.Auth, client: client,
		calls: &introspectionCalls{byToken: make(map[introspectionKey]*introspectionCall)},
	}
	concurrent := cmp.Or(cfg.MaxConcurrent, defaultMaxConcurrent)
	if concurrent < 0 {
		bad(errors.New("verify: MaxConcurrent: negative"))
	}
	if in.timeout < 0 {
		bad(errors.New("verify: Timeout: negative"))
	}
	if in.positive < 0 || in.positive > maxPositiveTTL {
		bad(fmt.Errorf("verify: PositiveTTL: from 0 to %v", maxPositiveTTL))
	}
	if in.negative < 0 || in.negative > maxPositiveTTL {
		bad(fmt.Errorf("verify: NegativeTTL: from 0 to %v", maxPositiveTTL))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	size := cmp.Or(cfg.CacheSize, defaultCacheSize)
	in.active, in.inactive = newTokenCache(size), newTokenCache(size)
	in.slots = make(chan struct{}, concurrent)
	in.strangers = make(chan struct{}, max(concurrent-concurrent/knownShare, 1))
	in.asked = "introspection at IntrospectionConfig.URL " + withoutQuery(cfg.URL)
	in.notGood = errInactive.because(fault(errInactive.Err.Error() + " at IntrospectionConfig.URL " + withoutQuery(cfg.URL) +
		": unknown there, expired or revoked, or the client of IntrospectionConfig.ClientID may not introspect it"))
	in.health = newHealth()
	if base := cfg.HTTPClient; base == nil || base.Transport == nil || authn.UsesTLS(cfg.Auth) {
		in.own, _ = client.Transport.(*http.Transport)
		// There is a connection for each concurrent request: by default, all
		// but a few would be closed after each request.
		in.own.MaxIdleConnsPerHost = concurrent
	}
	in.ctx, in.cancel = context.WithCancel(context.Background())
	return in, nil
}

// withoutQuery returns an address without its query, which may hold a key.
func withoutQuery(address string) string {
	public, _ := endpoint.Public(address)
	return public
}

// Verify asks the issuer about a token, unless a recent answer is cached.
func (in *Introspection) Verify(ctx context.Context, token string, req Requirements) (*Principal, error) {
	if req.Validation != ValidationDefault && req.Validation != ValidationIntrospect {
		if req.Validation == ValidationLocal {
			return nil, errCantLocal
		}
		return nil, errValidation
	}
	start := in.observer.start()
	p, source, err := in.verify(ctx, token, &req, nil)
	in.observer.verified(in.id.name, source, err, start)
	return p, err
}

// verify returns the verdict on a token, cached or fresh. For a token that was
// verified locally, local are its claims, otherwise nil.
func (in *Introspection) verify(ctx context.Context, token string, req *Requirements, local *claims) (*Principal, Source, error) {
	if in.closed.Load() {
		return nil, 0, unavailable(errClosed, 0)
	}
	verdict, source := in.remembered(token, local != nil), SourceCache
	if verdict == nil {
		if local == nil && len(token) > defaultMaxTokenBytes { // a JWT that was verified is within its verifier's limit
			return nil, 0, errTokenSize
		}
		if !bearer.IsToken(token) {
			return nil, 0, errTokenCharset
		}
		var err error
		if verdict, err = in.ask(ctx, token, local); err != nil {
			return nil, SourceIntrospection, err
		}
		source = SourceIntrospection
	}
	if verdict.refused != nil {
		return nil, source, verdict.refused
	}
	c := verdict.principal.c
	if refused := c.confirmation.check(req.PeerCertificate); refused != nil {
		return nil, source, in.expected.refuse(refused, nil, c, instantOf(time.Now()))
	}
	return verdict.principal, source, nil
}

// remembered returns the cached verdict, or nil if there is none. A verdict
// that relies on locally verified claims doesn't apply to other calls.
func (in *Introspection) remembered(token string, local bool) *remembered {
	now := instantOf(time.Now())
	if e := in.active.get(token, now); e != nil && e.local == local {
		return e
	}
	if e := in.inactive.get(fingerprint(token), now); e != nil && e.local == local {
		return e
	}
	return nil
}

// Ready checks only that the verifier is open: an endpoint can't be asked
// without a token.
func (in *Introspection) Ready(context.Context) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed.Load() {
		return unavailable(errClosed, 0)
	}
	return nil
}

// Close cancels the requests in progress, waits for them and closes the
// connections, except those of a transport that was given in HTTPClient. It may
// be called more than once. A verifier must not be used after Close.
func (in *Introspection) Close() error {
	in.mu.Lock()
	in.closed.Store(true)
	in.mu.Unlock()
	in.cancel()
	in.wg.Wait()
	if in.own != nil {
		in.own.CloseIdleConnections()
	}
	return nil
}
