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
	// defaultLifetime is used for tokens whose expires_in is missing or
	// unusable. RFC 6749 §5.1 lets servers omit it.
	defaultLifetime = 5 * time.Minute
	// maxLifetime bounds the lifetime of any token, whatever the server says.
	maxLifetime = 30 * 24 * time.Hour
	// minLifetime prevents a fetch for each call when a server grants no time.
	minLifetime = time.Second
)

// Config describes the client and where its tokens come from. [New] validates
// it.
type Config struct {
	// TokenURL is the token endpoint. Required, unless Issuer or MetadataURL is
	// set for discovery.
	TokenURL string
	// Issuer is the authorization server's issuer identifier. Without a
	// TokenURL the endpoint is discovered from it by OpenID Connect Discovery
	// or, if the server has no such metadata, by RFC 8414; the issuer in the
	// metadata must equal this one exactly. With a TokenURL it serves only as
	// the audience of client assertions. White space in it is an error.
	Issuer string
	// MetadataURL overrides the URL of the metadata. Optional; needs Issuer and
	// excludes TokenURL.
	MetadataURL string

	// ClientID is the client's identifier. Required, unless ClientIDFrom is set
	// or Auth is clientauth.AssertionFile.
	ClientID string
	// ClientIDFrom supplies the identifier at each fetch, for identifiers that
	// are mounted beside the secret. Optional; excludes ClientID.
	ClientIDFrom clientauth.Secret
	// Auth authenticates the client to the token endpoint. Required.
	Auth clientauth.Method

	// Scopes are the scopes that the token is requested with. Optional.
	Scopes []string
	// Audience is sent as the parameter audience, for servers that use it
	// instead of resource indicators. Optional.
	Audience string
	// Resources are each sent as a resource parameter (RFC 8707). They must be
	// absolute URIs without a fragment. Optional.
	Resources []string
	// Params are additional form parameters. They must not be secret, since
	// printing a Config prints them. Optional; a parameter that this package
	// sets itself is an error.
	Params url.Values

	// HTTPClient provides the transport and the timeout; redirects and cookies
	// are always off. If the server closes a connection while a request is on
	// it, the client's idle connections are closed and the request is made once
	// more. Optional: by default a client of its own.
	HTTPClient *http.Client
	// FetchTimeout bounds one attempt to get a token, discovery included.
	// Optional, 10 s by default; a negative one is an error. The Timeout of
	// HTTPClient applies instead if it is shorter.
	FetchTimeout time.Duration
	// DefaultLifetime is the lifetime of tokens whose expires_in is missing,
	// zero, negative or not a number. Optional, 5 min by default; anything but
	// 1 s to 30 days is an error.
	DefaultLifetime time.Duration

	// LocalPlaintext allows tokens over connections without TLS when the peer
	// of the connection is local: a loopback address, a unix socket, or bufconn
	// in the same process. The proxy that HTTPS_PROXY names is never local,
	// whatever address it listens on. Any other local listener is trusted: a
	// tunnel that listens on loopback and forwards elsewhere defeats this.
	// Optional, off by default.
	LocalPlaintext bool
	// InsecureMeshPlaintext allows tokens over connections without TLS to these
	// authorities, whatever the peer: for a service mesh whose sidecar adds
	// TLS. An authority is the value of the :authority header, host and port;
	// port 443 is omitted. Empty authorities are ignored. Nothing verifies that
	// the mesh does add TLS. Optional, none by default.
	InsecureMeshPlaintext []string
	// InsecureTokenURL also accepts plain http for a token endpoint and
	// metadata that aren't on loopback. The client's secret then travels in the
	// clear. Optional, off by default.
	InsecureTokenURL bool

	// Observer is notified of fetches and invalidations. Optional.
	Observer Observer
}

// target returns what the client's tokens are for unless [Credentials.For]
// changes it.
func (c *Config) target() Target {
	return Target{Resources: c.Resources, Audience: c.Audience, Scopes: c.Scopes}
}

// ownParams are the parameters that Config's fields and client authentication
// set.
var ownParams = []string{
	"grant_type", "scope", "audience", "resource",
	"client_id", "client_secret", "client_assertion", "client_assertion_type",
}

// validate returns the HTTP client of the requests, and an error that joins all
// faults. It does no I/O.
func (c *Config) validate() (*http.Client, error) {
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
	if err := endpoint.CheckIssuer(c.Issuer); err != nil {
		fault("Issuer: %w", err)
	} else if c.Issuer != "" && c.TokenURL == "" && c.MetadataURL == "" {
		check("Issuer", c.Issuer)
	}
	clientID := c.ClientID
	if c.ClientIDFrom != nil {
		if clientID != "" {
			fault("ClientID and ClientIDFrom exclude each other")
		}
		clientID = "supplied at each fetch"
	}
	for _, err := range authn.Check(c.Auth, clientID, authn.Endpoint{URL: c.TokenURL, Issuer: c.Issuer}) {
		fault("Auth: %w", err)
	}
	for _, err := range c.target().validate() {
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
	client, err := authn.Client(c.Auth, c.HTTPClient)
	if err != nil {
		fault("HTTPClient: %w", err)
	}
	return client, errors.Join(faults...)
}

// checkEndpoint is endpoint.Check whose error names the setting that allows
// plain http.
func checkEndpoint(raw string, insecureHTTP bool) error {
	err := endpoint.Check(raw, insecureHTTP)
	if errors.Is(err, endpoint.ErrPlain) {
		return fmt.Errorf("%w: the secret would travel in the clear (see InsecureTokenURL)", err)
	}
	return err
}

// isLoopbackAddr reports whether addr is a TCP address on loopback.
func isLoopbackAddr(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp != nil && tcp.IP.IsLoopback()
}
