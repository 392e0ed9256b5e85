package verify

import (
	"net/http"
	"time"

	"github.com/usher-auth/usher/credentials/clientauth"
)

// Defaults and limits of introspection.
const (
	// defaultPositiveTTL is how long an active token is taken as active, and so
	// how late a revocation can be noticed.
	defaultPositiveTTL = 60 * time.Second

	// defaultNegativeTTL is how long an inactive token is taken as inactive.
	defaultNegativeTTL = 10 * time.Second

	// defaultIntrospectionTimeout bounds one request.
	defaultIntrospectionTimeout = 5 * time.Second

	// defaultMaxConcurrent is how many requests run at once: a flood of made-up
	// tokens must not become one on the issuer.
	defaultMaxConcurrent = 64

	// maxPositiveTTL bounds what can be configured.
	maxPositiveTTL = time.Hour

	// queueFactor times MaxConcurrent tokens may wait for their request.
	queueFactor = 16

	// knownShare is the part of the requests at once, and of the queue, that is
	// kept for known tokens: a quarter.
	knownShare = 4

	// refusedPause is the time between probes once the endpoint has refused our
	// own credentials (401, RFC 7662 §2.3): more haste only locks the client
	// out. A 403 is no such refusal: firewalls give it for a token's looks.
	refusedPause = 5 * time.Second

	// probeToken is the made-up token of a probe. An endpoint's log shows it.
	probeToken = "usher-introspection-probe"
)

// IntrospectionConfig configures an [Introspection].
type IntrospectionConfig struct {
	// URL is the introspection endpoint. Https, or http on loopback.
	// Required.
	URL string

	// Issuer is the issuer identifier. An answer with another iss is refused;
	// one without iss is taken as this issuer's.
	// Required.
	Issuer string

	// IssuerName is a short name for the issuer, for subjects and metrics.
	// Optional. Default: Issuer.
	IssuerName string

	// ClientID is this server's own client, that may introspect.
	// Required, but with credentials.AssertionFile.
	ClientID string

	// Auth is how this server proves to be that client.
	// Required.
	Auth clientauth.Method

	// Audiences are the names of this server. An answer must name one of them
	// in aud; an answer without aud about a JWT that a [Hybrid] has verified
	// counts with the JWT's.
	// Required, unless InsecureAnyAudience is set.
	Audiences []string

	// InsecureAnyAudience accepts tokens for whatever server, for issuers whose
	// answers have no aud. It is safe only where the endpoint itself answers
	// active for this client's own tokens alone (RFC 7662 §4).
	// Optional.
	InsecureAnyAudience bool

	// HTTPClient has the transport for requests. Redirects are never followed.
	// Close leaves its connections alone. Its idle ones are closed when the
	// endpoint has ended one under a request, which is then made once more.
	// Optional. Default: a client of its own, that keeps as many connections as
	// there may be requests at once.
	HTTPClient *http.Client

	// Leeway is how far the clocks of issuer and server may be apart, at most
	// 5 min. It lets a fresh answer pass; none is remembered beyond exp.
	// Optional. Default: 30 s. NoLeeway for none.
	Leeway time.Duration

	// Profile says how the issuer writes access tokens, and so its answers about
	// them. What it says of the header is not used.
	// Optional. Default: as RFC 9068 says.
	Profile Profile

	// CacheSize is how many verdicts are remembered of each kind.
	// Optional. Default: 8192. Negative: none.
	CacheSize int

	// PositiveTTL is how long an active token is taken as active without being
	// asked about, counted from when it was asked about, and never beyond its
	// exp. At most an hour.
	// Optional. Default: 60 s.
	PositiveTTL time.Duration

	// NegativeTTL is how long an inactive token is taken as inactive. At most
	// PositiveTTL's bound.
	// Optional. Default: 10 s.
	NegativeTTL time.Duration

	// Timeout bounds one request, and the wait for its turn once more.
	// Optional. Default: 5 s.
	Timeout time.Duration

	// MaxConcurrent is how many requests run at once. Sixteen times as many
	// tokens may wait; above that a call is UNAVAILABLE at once. A quarter of
	// both is kept for tokens that were active before and for JWTs that a
	// [Hybrid] has verified, so that made-up tokens can't take every turn.
	// Optional. Default: 64.
	MaxConcurrent int

	// Observer is told what happens.
	// Optional.
	Observer Observer
}
