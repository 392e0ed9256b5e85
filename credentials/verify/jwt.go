package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/usher-auth/usher/internal/httpx"
	"github.com/usher-auth/usher/internal/notify"
	"github.com/usher-auth/usher/internal/wellknown"
)

// JWT verifies JWT access tokens of one issuer (RFC 9068, RFC 8725) with the
// issuer's published keys. It is safe for concurrent use.
type JWT struct {
	id        identity
	audiences []string
	algs      algSet
	leeway    time.Duration
	limit     int
	expected  *expectation
	keys      *keySet
	cache     *tokenCache
	headers   *headerCache
	clock     *clock
	flight    signatureFlight
	observer  Observer
	checked   func() // called before each check of signatures, which tests count
}

// NewJWT returns a verifier, or an error that lists all faults of the
// configuration. It does no I/O: the first call, or Ready, fetches the keys.
// The caller must close the verifier.
func NewJWT(cfg JWTConfig) (*JWT, error) {
	var problems []error
	bad := func(err error) {
		if err != nil {
			problems = append(problems, err)
		}
	}
	algs, err := algorithmSet(cfg.Algorithms)
	bad(err)
	leeway, err := leewayOf(cfg.Leeway)
	bad(err)
	bad(checkIssuer(cfg.Issuer, cfg.JWKSURL == "" && cfg.MetadataURL == ""))
	bad(checkAudiences(cfg.Audiences))
	profile, err := newProfile(cfg.Profile, cfg.Issuer)
	bad(err)
	if cfg.JWKSURL != "" {
		bad(checkEndpoint("JWKSURL", cfg.JWKSURL))
	}
	if cfg.MetadataURL != "" {
		bad(checkEndpoint("MetadataURL", cfg.MetadataURL))
	}
	if cfg.JWKSURL != "" && cfg.MetadataURL != "" {
		bad(errors.New("verify: MetadataURL is of no use with JWKSURL: set one"))
	}
	refresh := cmp.Or(cfg.RefreshInterval, defaultRefreshInterval)
	maxStale := cmp.Or(cfg.MaxStale, max(defaultMaxStale, refresh))
	unknown := cmp.Or(cfg.UnknownKeyInterval, defaultUnknownKeyInterval)
	timeout := cmp.Or(cfg.FetchTimeout, defaultFetchTimeout)
	limit := cmp.Or(cfg.MaxTokenBytes, defaultMaxTokenBytes)
	if refresh < minRefresh {
		bad(fmt.Errorf("verify: RefreshInterval: at least %v", minRefresh))
	}
	if maxStale < refresh {
		bad(fmt.Errorf("verify: MaxStale: at least RefreshInterval, which is %v", refresh))
	}
	if unknown < time.Second {
		bad(errors.New("verify: UnknownKeyInterval: at least a second"))
	}
	if timeout < 0 {
		bad(errors.New("verify: FetchTimeout: negative"))
	}
	if limit < 0 {
		bad(errors.New("verify: MaxTokenBytes: negative"))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}

	keys := &keySet{
		issuer: cfg.Issuer, name: cmp.Or(cfg.IssuerName, cfg.Issuer), allowed: algs, client: httpx.Isolated(cfg.HTTPClient), jwksURL: cfg.JWKSURL,
		timeout: timeout, refresh: refresh, maxStale: maxStale, unknownWait: unknown,
		observe: cfg.Observer.KeysFetched,
	}
	if profile.TrustDomain {
		keys.allowed |= setSVID
	}
	switch {
	case cfg.MetadataURL != "":
		keys.addresses = []string{cfg.MetadataURL}
	case cfg.JWKSURL == "":
		keys.addresses = wellknown.Places(cfg.Issuer)
	}
	keys.init()
	audiences := append([]string(nil), cfg.Audiences...)
	return &JWT{
		id:        identity{issuer: cfg.Issuer, name: cmp.Or(cfg.IssuerName, cfg.Issuer), profile: profile},
		audiences: audiences,
		algs:      algs, leeway: leeway, limit: limit,
		expected: &expectation{config: "JWTConfig", issuers: []string{cfg.Issuer}, audiences: audiences, leeway: leeway, profile: profile, algs: algs, keys: keys},
		keys:     keys, cache: newSignedCache(cmp.Or(cfg.CacheSize, defaultCacheSize)),
		observer: cfg.Observer, checked: func() {}, headers: &headerCache{}, clock: newClock(),
	}, nil
}

// Verify verifies a token: first its form, header and claims, since these
// checks are cheap, then its signature. A token that was verified before costs
// one lookup.
func (v *JWT) Verify(ctx context.Context, token string, req Requirements) (*Principal, error) {
	if req.Validation != ValidationDefault && req.Validation != ValidationLocal {
		if req.Validation == ValidationIntrospect {
			return nil, errCantIntrospect
		}
		return nil, errValidation
	}
	if v.observer.Verified == nil {
		p, _, err := v.verify(ctx, token, &req)
		return p, err
	}
	start := time.Now()
	p, source, err := v.verify(ctx, token, &req)
	notify.Call(v.observer.Verified, Verified{Issuer: v.id.name, Source: source, Err: err, Duration: time.Since(start)}, nil)
	return p, err
}

func (v *JWT) verify(ctx context.Context, token string, req *Requirements) (*Principal, Source, error) {
	now := v.clock.now()
	if e := v.cache.get(token, now); e != nil {
		p, err := e.boundTo(req)
		if err != nil {
			err = v.expected.explain(err, nil, e.principal.c, now)
		}
		return p, SourceCache, err
	}
	d, refused := decode(token, v.limit, v.algs, v.headers)
	if refused != nil {
		return nil, SourceLocal, refused
	}
	p, err := v.verifyDecoded(ctx, d, req, now, v.cache, v.headers)
	if err != nil {
		err = v.expected.explain(err, d.header, d.claims, now)
	}
	return p, SourceLocal, err
}

// verifyDecoded verifies a decoded token, the cheapest checks first. It adds a
// valid token to cache and its header to headers.
func (v *JWT) verifyDecoded(
	ctx context.Context, d *decoded, req *Requirements, now instant, cache *tokenCache, headers *headerCache,
) (*Principal, error) {
	if refused := v.checkHeader(d.header); refused != nil {
		return nil, refused
	}
	if refused := v.checkClaims(d.header, d.claims, now); refused != nil {
		return nil, refused
	}
	if refused := d.claims.confirmation.check(req.PeerCertificate); refused != nil {
		return nil, refused
	}
	var err error
	if d.signature, err = base64URL.DecodeString(d.parts.signature()); err != nil {
		return nil, errTokenEncoding
	}
	if !signatureFits(d.header.alg, d.signature) {
		return nil, errSignature
	}
	p, err := v.checkKeys(ctx, d, now, cache)
	if err == nil {
		headers.put(d.parts.header(), d.header)
	}
	return p, err
}

// checkKeys finds the key of a token and checks the signature. If no key fits
// or verifies the token, newer keys are requested, within the budget: the
// issuer may have published its key since, under a new kid or under the same
// one. Without newer keys such a token can't be called invalid, unless it is
// signed by a key that has been withdrawn. A signature is checked twice at
// most.
func (v *JWT) checkKeys(ctx context.Context, d *decoded, now instant, cache *tokenCache) (*Principal, error) {
	asked := v.keys.begun.Load()
	keys, err := v.keys.lookup(ctx, d.header, now, asked)
	if err != nil {
		return nil, v.withdrawn(d, err)
	}
	p, err := v.checkSignature(ctx, d, keys, now, cache)
	if !errors.Is(err, errSignature) {
		return p, err
	}
	newer, err := v.keys.renew(ctx, asked, keys.changedFor(d.header))
	switch {
	case errors.Is(err, errKeyUnknown):
		return nil, errSignature
	case err != nil:
		return nil, v.withdrawn(d, err)
	}
	p, err = v.checkSignature(ctx, d, newer, now, cache)
	if !errors.Is(err, errSignature) || newer.fetch > asked {
		return p, err
	}
	_, err = v.keys.renew(ctx, asked, newer.changedFor(d.header))
	switch {
	case err == nil:
		return nil, unavailable(errKeysChanging, v.keys.unknownWait)
	case errors.Is(err, errKeyUnknown):
		return nil, errSignature
	default:
		return nil, err
	}
}

// withdrawn returns the error of a token for which lookup or renew failed with
// err: errKeyWithdrawn if a withdrawn key signed it and the budget is spent,
// otherwise err.
func (v *JWT) withdrawn(d *decoded, err error) error {
	if !errors.Is(err, errBudget) {
		return err
	}
	s := v.keys.snapshot.Load()
	if s == nil || len(s.withdrawn) == 0 || !s.signedByWithdrawn(d.header, []byte(d.parts.input()), d.signature) {
		return err
	}
	return errKeyWithdrawn
}

// checkSignature checks the signature, once for all concurrent calls with the
// same token. Each call returns at its own deadline.
func (v *JWT) checkSignature(ctx context.Context, d *decoded, keys *keySnapshot, now instant, cache *tokenCache) (*Principal, error) {
	token := d.parts.token
	if v.id.callsUser() {
		return v.flight.doApart(ctx, token, keys, func() (*Principal, error) { return v.check(d, keys, now, cache) })
	}
	return v.flight.do(ctx, token, keys, func() (*Principal, error) { return v.check(d, keys, now, cache) })
}

// check checks the signature with these keys and caches a valid token.
func (v *JWT) check(d *decoded, keys *keySnapshot, now instant, cache *tokenCache) (*Principal, error) {
	token := d.parts.token
	if e := cache.get(token, now); e != nil {
		return e.principal, nil
	}
	v.checked()
	key := keys.signer(d.header, []byte(d.parts.input()), d.signature)
	if key == nil {
		return nil, errSignature
	}
	until := d.claims.expires.add(v.leeway)
	p, err := v.id.principal(d.claims, until.time())
	if err != nil {
		return nil, err
	}
	cache.put(remember(token, until, remembered{principal: p, owner: v, key: key}), now)
	return p, nil
}

// Ready fetches the keys if there are none, and so checks the discovery. It
// makes one attempt, whatever the backoff, and returns within ctx. Unlike an
// error of Verify, the text of its error holds the cause: it is for the
// operator.
func (v *JWT) Ready(ctx context.Context) error {
	if v.keys.fresh(v.clock.now()) != nil {
		return nil
	}
	err := v.keys.now(ctx)
	var e *Error
	if errors.As(err, &e) && e.Err != nil {
		return fmt.Errorf("%w: %w", err, e.Err)
	}
	return err
}

// Close ends the background refresh and waits for it. It may be called more
// than once. A verifier must not be used after Close.
func (v *JWT) Close() error {
	v.keys.close()
	return nil
}
