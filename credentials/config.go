package credentials

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/usher-auth/usher/credentials/clientauth"
	"github.com/usher-auth/usher/credentials/internal/authn"
	"github.com/usher-auth/usher/internal/endpoint"
)

const (
	// defaultFetchTimeout bounds one attempt. Token endpoints answer within a
	// second; ten leave room for a cold one.
	defaultFetchTimeout = 10 * time.Second
	// defaultLifetime is for tokens whose expires_in is missing or makes no
	// sense. RFC 6749 §5.1 lets servers leave it out.
	defaultLifetime = 5 * time.Minute
	// maxLifetime bounds how long any token is believed.
	maxLifetime = 30 * 24 * time.Hour
	// minLifetime keeps a server that grants no time from causing a fetch for
	// each call.
	minLifetime = time.Second
)

// Config says who the client is and where its tokens come from.
type Config struct {
	// TokenURL is the token endpoint. Required, unless Issuer or MetadataURL is
	// set for discovery.
	TokenURL string
	// Issuer is the authorization server's issuer identifier. With no TokenURL
	// the endpoint is discovered from it by OpenID Connect Discovery or, where
	// the server has none, by RFC 8414; the issuer in the metadata must equal
	// this exactly. Beside a TokenURL it only says whom assertions are for.
	Issuer string
	// MetadataURL overrides where the metadata is. Optional; needs Issuer and
	// excludes TokenURL.
	MetadataURL string

	// ClientID is the client's id. Required, unless ClientIDFrom is set or Auth
	// is clientauth.AssertionFile.
	ClientID string
	// ClientIDFrom supplies the id at each fetch, for ids that are mounted
	// beside the secret. Optional; excludes ClientID.
	ClientIDFrom clientauth.Secret
	// Auth proves that the client is who it says. Required.
	Auth clientauth.Method

	// Scopes are asked for. Optional.
	Scopes []string
	// Audience is sent as audience, for servers with that parameter instead of
	// resource indicators. Optional.
	Audience string
	// Resources are sent as one resource parameter each (RFC 8707): absolute
	// URIs without a fragment. Optional.
	Resources []string
	// Params are further form parameters, none of them secret: a Config prints
	// them. Optional; those that this package sets itself are refused.
	Params url.Values

	// HTTPClient is used for its transport and timeout; redirects and cookies
	// are always off. Its idle connections are closed when the server has ended
	// one under a request, which is then made once more. Optional: by default a
	// client of its own.
	HTTPClient *http.Client
	// FetchTimeout bounds one attempt at getting a token, discovery included.
	// Optional, 10 s by default; a shorter timeout of HTTPClient counts instead.
	FetchTimeout time.Duration
	// DefaultLifetime is assumed for tokens whose expires_in is missing, zero,
	// negative or no number. Optional, 5 min by default, 1 s to 30 days.
	DefaultLifetime time.Duration

	// LocalPlaintext lets tokens go over connections without TLS when the peer of
	// the connection is local: a loopback address, a unix socket, or bufconn in
	// the same process. The proxy that HTTPS_PROXY names counts as not local,
	// wherever it listens. What else listens there is believed to be local; a
	// tunnel that listens on loopback and forwards elsewhere defeats this.
	// Optional, off by default.
	LocalPlaintext bool
	// InsecureMeshPlaintext lets tokens go over connections without TLS to these
	// authorities, whatever the peer: for a service mesh whose sidecar adds TLS.
	// An authority is what the :authority header carries, host and port; the port
	// 443 is left out. Empty ones are ignored. Nothing here verifies that the mesh
	// does its part. Optional, none by default.
	InsecureMeshPlaintext []string
	// InsecureTokenURL accepts plain http for the token endpoint and its metadata
	// off loopback too. The client's secret then travels in the clear. Optional,
	// off by default.
	InsecureTokenURL bool

	// Observer is told what happens. Optional.
	Observer Observer
}

// target is what the client's tokens are for unless [Credentials.For] says
// otherwise.
func (c *Config) target() Target {
	return Target{Resources: c.Resources, Audience: c.Audience, Scopes: c.Scopes}
}

// ownParams are set by Config's fields and by client authentication.
var ownParams = []string{
	"grant_type", "scope", "audience", "resource",
	"client_id", "client_secret", "client_assertion", "client_assertion_type",
}

// validate reports everything that is wrong at once, without I/O.
func (c *Config) validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("credentials: "+format, args...)) }
	check := func(name, raw string) {
		if err := checkEndpoint(raw, c.InsecureTokenURL); err != nil {
			fault("%s: %w", name, err)
		}
	}
	if c.TokenURL == "" && c.Issuer == "" {
		fault("one of TokenURL and Issuer is required")
	}
	if c.TokenURL != "" {
		check("TokenURL", c.TokenURL)
	}
	if c.MetadataURL != "" {
		check("MetadataURL", c.MetadataURL)
		if c.TokenURL != "" {
			fault("MetadataURL and TokenURL exclude each other")
		}
		if c.Issuer == "" {
			fault("MetadataURL needs Issuer, which the metadata must name exactly")
		}
	}
	if c.Issuer != "" && c.TokenURL == "" && c.MetadataURL == "" {
		check("Issuer", c.Issuer)
	}
	clientID := c.ClientID
	if c.ClientIDFrom != nil {
		if clientID != "" {
			fault("ClientID and ClientIDFrom exclude each other")
		}
		clientID = "supplied at each fetch"
	}
	if err := authn.Check(c.Auth, clientID, authn.Endpoint{URL: c.TokenURL, Issuer: c.Issuer}); err != nil {
		fault("Auth: %w", err)
	}
	if err := c.target().validate(); err != nil {
		fault("%w", err)
	}
	for name := range c.Params {
		if slices.Contains(ownParams, strings.ToLower(name)) {
			fault("Params: %s has its own place in Config", name)
		}
	}
	if c.FetchTimeout < 0 {
		fault("FetchTimeout is negative")
	}
	if c.DefaultLifetime != 0 && (c.DefaultLifetime < minLifetime || c.DefaultLifetime > maxLifetime) {
		fault("DefaultLifetime is not between a second and 30 days")
	}
	return errors.Join(faults...)
}

// checkEndpoint tells of the option that allows plain http.
func checkEndpoint(raw string, insecureHTTP bool) error {
	err := endpoint.Check(raw, insecureHTTP)
	if errors.Is(err, endpoint.ErrPlain) {
		return fmt.Errorf("%w: the secret would travel in the clear (see InsecureTokenURL)", err)
	}
	return err
}

// isLoopbackAddr judges a connection's peer.
func isLoopbackAddr(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp != nil && tcp.IP.IsLoopback()
}
