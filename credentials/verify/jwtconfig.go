package verify

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// NoLeeway is a Leeway that compares times exactly.
const NoLeeway time.Duration = -1

// Defaults and limits of a configuration.
const (
	// defaultLeeway is how far clocks may be apart.
	defaultLeeway = 30 * time.Second

	// maxLeeway is the largest leeway that can be configured.
	maxLeeway = 5 * time.Minute

	// defaultMaxTokenBytes is the largest JWT that is looked at unless
	// JWTConfig.MaxTokenBytes says otherwise, and the largest token that is
	// introspected without having been verified as a JWT. gRPC itself takes headers
	// of 16 MiB.
	defaultMaxTokenBytes = 16 << 10

	// defaultRefreshInterval is how old keys get before they are fetched again
	// in the background, and so the longest time that a withdrawn key lives.
	defaultRefreshInterval = 15 * time.Minute

	// defaultMaxStale is how long keys are used while they can't be fetched.
	defaultMaxStale = 24 * time.Hour

	// defaultUnknownKeyInterval is how often tokens under unknown keys, or with
	// bad signatures, can make the verifier fetch an issuer's keys: under a flood
	// of them, 30 times a minute. It is also how long a key that was rotated in
	// during the flood can take to be noticed.
	defaultUnknownKeyInterval = 2 * time.Second

	// defaultFetchTimeout bounds one fetch.
	defaultFetchTimeout = 5 * time.Second

	// defaultCacheSize is how many verified tokens are remembered.
	defaultCacheSize = 8192
)

// JWTConfig configures a [JWT].
type JWTConfig struct {
	// Issuer is the issuer identifier, compared exactly with iss. A slash more or
	// less at its end makes another issuer.
	// Required.
	Issuer string

	// IssuerName is a short name for the issuer, for subjects and metrics.
	// Optional. Default: Issuer.
	IssuerName string

	// Audiences are the names of this server. A token must be meant for one of
	// them: aud has it, compared exactly.
	// Required.
	Audiences []string

	// Algorithms are the accepted signature algorithms.
	// Optional. Default: RS256, ES256, PS256, EdDSA.
	Algorithms []Algorithm

	// JWKSURL is where the issuer's keys are. Https, or http on loopback.
	// Optional. Default: jwks_uri of the metadata.
	JWKSURL string

	// MetadataURL is where the issuer's metadata are. It is of no use with
	// JWKSURL, and refused beside it. While they can't be read, the keys are
	// fetched from the jwks_uri that they named last.
	// Optional. Default: the well-known places of OpenID Connect Discovery and
	// of RFC 8414, in this order.
	MetadataURL string

	// HTTPClient has the transport for fetches. Its redirect policy, cookies
	// and timeout are not used: redirects are never followed.
	// Optional. Default: http.DefaultTransport.
	HTTPClient *http.Client

	// Leeway is how far the clocks of issuer and server may be apart, at most
	// 5 min.
	// Optional. Default: 30 s. NoLeeway for none.
	Leeway time.Duration

	// Profile says how the issuer writes access tokens.
	// Optional. Default: as RFC 9068 says, with typ at+jwt and client_id. There
	// are functions for the profiles of many issuers, such as [Keycloak].
	Profile Profile

	// MaxTokenBytes is the largest token that is looked at, header and
	// certificates in it included.
	// Optional. Default: 16 KiB.
	MaxTokenBytes int

	// CacheSize is how many verified tokens are remembered, until they expire
	// or their key is withdrawn. It is no means of revocation.
	// Optional. Default: 8192. Negative: none.
	CacheSize int

	// RefreshInterval is how old keys get before they are fetched again in the
	// background, at least a minute. The server may ask for less by
	// Cache-Control, down to a minute; never for more.
	// Optional. Default: 15 min.
	RefreshInterval time.Duration

	// UnknownKeyInterval is the budget for tokens under unknown keys and for bad
	// signatures: together they cause one fetch in this time, at least a second.
	// Anyone can spend it. Until the next fetch, such a token is neither good nor
	// bad: it gets a [DependencyFault] with the time until then.
	//
	// A fetch that failed spends nothing. While calls fail for want of keys, one
	// of them tries again after one to two seconds, or after the Retry-After of a
	// 429 or 503, at most five minutes.
	// Optional. Default: 2 s.
	UnknownKeyInterval time.Duration

	// MaxStale is how long keys are used while they can't be fetched. At least
	// RefreshInterval.
	// Optional. Default: 24 h.
	MaxStale time.Duration

	// FetchTimeout bounds one fetch, and so how long calls that need keys wait
	// for an issuer that neither answers nor refuses the connection.
	// Optional. Default: 5 s.
	FetchTimeout time.Duration

	// Observer is told what happens.
	// Optional.
	Observer Observer
}

func leewayOf(d time.Duration) (time.Duration, error) {
	switch {
	case d == 0:
		return defaultLeeway, nil
	case d == NoLeeway:
		return 0, nil
	case d < 0 || d > maxLeeway:
		return 0, fmt.Errorf("verify: Leeway: from 0 (NoLeeway) to %v", maxLeeway)
	default:
		return d, nil
	}
}

func checkIssuer(issuer string, discovered bool) error {
	if issuer == "" {
		return errors.New("verify: Issuer is required")
	}
	if discovered {
		if err := checkEndpoint("Issuer", issuer); err != nil {
			return fmt.Errorf("%w; or set JWKSURL or MetadataURL", err)
		}
		if strings.Contains(issuer, "?") { // RFC 8414 §2
			return errors.New("verify: Issuer: has a query, so its metadata can't be found; set JWKSURL or MetadataURL")
		}
	}
	return nil
}

func checkAudiences(audiences []string) error {
	if len(audiences) == 0 {
		return errors.New("verify: Audiences is required: without it, a token for any other server would pass")
	}
	if slices.Contains(audiences, "") {
		return errors.New("verify: Audiences: one is empty")
	}
	return nil
}
