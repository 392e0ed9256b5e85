package verify

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/endpoint"
)

// NoLeeway is a Leeway that compares times exactly.
const NoLeeway time.Duration = -1

// Defaults and limits of a configuration.
const (
	// defaultLeeway is the tolerated difference between clocks.
	defaultLeeway = 30 * time.Second

	// maxLeeway is the largest leeway that can be configured.
	maxLeeway = 5 * time.Minute

	// defaultMaxTokenBytes is the size of the largest JWT that is accepted by
	// default, and of the largest token that is introspected without having
	// been verified as a JWT. gRPC itself accepts headers of 16 MiB.
	defaultMaxTokenBytes = 16 << 10

	// defaultRefreshInterval is the age at which keys are fetched again in the
	// background, and so the longest time that a withdrawn key is accepted.
	defaultRefreshInterval = 15 * time.Minute

	// defaultMaxStale is how long keys are used while they can't be fetched.
	defaultMaxStale = 24 * time.Hour

	// defaultUnknownKeyInterval is how often tokens with unknown keys or bad
	// signatures can make the verifier fetch an issuer's keys: under a flood of
	// them, 30 times a minute. It is also how long the verifier may take to
	// notice a key that was rotated in during the flood.
	defaultUnknownKeyInterval = 2 * time.Second

	// defaultFetchTimeout bounds one fetch.
	defaultFetchTimeout = 5 * time.Second

	// defaultCacheSize is how many verified tokens are cached.
	defaultCacheSize = 8192
)

// JWTConfig configures a [JWT].
type JWTConfig struct {
	// Issuer is the issuer identifier, compared exactly with iss. A trailing
	// slash makes it a different issuer. White space in it is an error.
	Issuer string

	// IssuerName is a short name for the issuer, for subjects and metrics.
	// Optional. Default: Issuer.
	IssuerName string

	// Audiences are the names of this server. The aud of a token must contain
	// one of them, compared exactly.
	Audiences []string

	// Algorithms are the accepted signature algorithms.
	// Optional. Default: RS256, ES256, PS256, EdDSA.
	Algorithms []Algorithm

	// JWKSURL is the URL of the issuer's keys: https, or http on loopback.
	JWKSURL string

	// MetadataURL is the URL of the issuer's metadata. It is an error to set it
	// together with JWKSURL, which makes metadata unnecessary. While the
	// metadata can't be read, the keys are fetched from the jwks_uri that it
	// named last. Optional. Default: the well-known URLs of OpenID Connect
	// Discovery and of RFC 8414, in this order.
	MetadataURL string

	// HTTPClient provides the transport for fetches. Its redirect policy,
	// cookies and timeout are not used: redirects are never followed.
	HTTPClient *http.Client

	// Leeway is the tolerated difference between the clocks of issuer and
	// server, at most 5 min.
	Leeway time.Duration

	// Profile describes how the issuer writes access tokens. Optional. Default:
	// RFC 9068, with typ at+jwt and client_id. There are functions that return
	// the profiles of many issuers, such as [Keycloak].
	Profile Profile

	// MaxTokenBytes is the size of the largest token that is accepted,
	// including its header and any certificates in it.
	MaxTokenBytes int

	// CacheSize is how many verified tokens are cached, until they expire or
	// their key is withdrawn. It is not a means of revocation.
	CacheSize int

	// RefreshInterval is the age at which keys are fetched again in the
	// background, at least a minute. By Cache-Control the server may shorten
	// it, down to a minute, but not extend it.
	RefreshInterval time.Duration

	// UnknownKeyInterval is the budget for tokens with unknown keys and for bad
	// signatures: together they cause at most one fetch in this time, which is
	// at least a second. Anyone can use up the budget. Until the next fetch
	// such a token is neither valid nor invalid: its error is a
	// [DependencyFault] with the time until then.
	//
	// A failed fetch doesn't count. While calls fail for lack of keys, one of
	// them tries again after one to two seconds, or after the Retry-After of a
	// 429 or 503, at most five minutes.
	UnknownKeyInterval time.Duration

	// MaxStale is how long keys are used while they can't be fetched, at least
	// RefreshInterval. Optional. Default: 24 h, or RefreshInterval if that is
	// longer.
	MaxStale time.Duration

	// FetchTimeout bounds one fetch, and so how long calls that need keys wait
	// for an issuer that neither answers nor refuses the connection.
	FetchTimeout time.Duration

	// Observer is notified of verifications and fetches.
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
	if err := endpoint.CheckIssuer(issuer); err != nil {
		return fmt.Errorf("verify: Issuer: %w", err)
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
