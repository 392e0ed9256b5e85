package verify

import (
	"net/http"
	"time"

	"github.com/usher-auth/usher/credentials/clientauth"
)

// Defaults and limits of introspection.
const (
	// defaultPositiveTTL is how long an active token is considered active, and
	// so the longest time until a revocation takes effect.
	defaultPositiveTTL = 60 * time.Second

	// defaultNegativeTTL is how long an inactive token is considered inactive.
	defaultNegativeTTL = 10 * time.Second

	// defaultIntrospectionTimeout bounds one request.
	defaultIntrospectionTimeout = 5 * time.Second

	// defaultMaxConcurrent is the number of concurrent requests: it keeps a
	// flood of forged tokens from flooding the issuer.
	defaultMaxConcurrent = 64

	// maxPositiveTTL bounds both configured TTLs.
	maxPositiveTTL = time.Hour

	// queueFactor is how many tokens may wait for their request, as a multiple
	// of MaxConcurrent.
	queueFactor = 16

	// knownShare is the share of concurrent requests, and of the queue, that is
	// reserved for known tokens: one in four.
	knownShare = 4

	// refusedPause is the time between probes after the endpoint has refused
	// our own credentials (401, RFC 7662 §2.3), since frequent failures lock
	// the client out. A 403 is no such refusal: firewalls return it because of
	// the content of a token.
	refusedPause = 5 * time.Second

	// probeToken is the token of a probe, as it appears in the endpoint's log.
	// It isn't anyone's token.
	probeToken = "usher-introspection-probe"
)

// IntrospectionConfig configures an [Introspection].
type IntrospectionConfig struct {
	// URL is the introspection endpoint: https, or http on loopback.
	URL string

	// Issuer is the issuer identifier. An answer with another iss is refused;
	// one without iss is accepted as this issuer's. White space in it is an
	// error.
	Issuer string

	// IssuerName is a short name for the issuer, for subjects and metrics.
	// Optional. Default: Issuer.
	IssuerName string

	// ClientID is the identifier of this server's own client, which must be
	// allowed to introspect. Required, unless Auth is clientauth.AssertionFile.
	ClientID string

	// Auth authenticates that client to the endpoint.
	Auth clientauth.Method

	// Audiences are the names of this server. The aud of an answer must contain
	// one of them; for an answer without aud about a JWT that a [Hybrid] has
	// verified, the JWT's aud is used.
	Audiences []string

	// InsecureAnyAudience accepts tokens for any server, for issuers whose
	// answers have no aud. It is safe only if the endpoint answers active for
	// this client's own tokens alone (RFC 7662 §4). It is an error to set it
	// together with Audiences. Optional. Default: false.
	InsecureAnyAudience bool

	// HTTPClient provides the transport for requests; its Timeout applies if it
	// is shorter than Timeout. Redirects are never followed. Close doesn't
	// close its connections. If the endpoint closes a connection while a
	// request is on it, the idle connections are closed and the request is made
	// once more. Optional. Default: a client of its own, which keeps as many
	// connections as there may be concurrent requests.
	HTTPClient *http.Client

	// Leeway is the tolerated difference between the clocks of issuer and
	// server, at most 5 min. It applies to fresh answers; no answer is cached
	// beyond exp.
	Leeway time.Duration

	// Profile describes how the issuer writes access tokens, and so its answers
	// about them. Its rules for the header are not used. Optional. Default: RFC
	// 9068.
	Profile Profile

	// CacheSize is how many active tokens, and how many inactive ones, are
	// cached.
	CacheSize int

	// PositiveTTL is how long an active token is considered active without
	// another request, counted from the start of the last one, and never beyond
	// its exp. At most an hour.
	PositiveTTL time.Duration

	// NegativeTTL is how long an inactive token is considered inactive. At most
	// an hour.
	NegativeTTL time.Duration

	// Timeout bounds one request and, separately, the wait for its turn.
	Timeout time.Duration

	// MaxConcurrent is the number of concurrent requests. Sixteen times as many
	// tokens may wait; beyond that a call fails at once with a
	// [DependencyFault]. A quarter of both is reserved for tokens that were
	// active before and for JWTs that a [Hybrid] has verified, so that forged
	// tokens can't use up all of them.
	MaxConcurrent int

	// Observer is notified of verifications and requests.
	Observer Observer
}
