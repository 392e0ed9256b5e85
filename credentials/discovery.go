package credentials

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/usher-auth/usher/credentials/internal/authn"
)

const (
	// metadataLifetime is how long discovered metadata is used.
	metadataLifetime = time.Hour
	// metadataRecheck is how soon it is read again after a token request failed:
	// the endpoint may have moved.
	metadataRecheck = time.Minute
)

// locator finds the token endpoint.
type locator interface {
	// locate may do I/O, within the fetch's context.
	locate(ctx context.Context) (authn.Endpoint, *failure)
	// doubt says that a request to the endpoint failed.
	doubt()
}

// fixed is a configured token endpoint.
type fixed struct{ endpoint authn.Endpoint }

func (f fixed) locate(context.Context) (authn.Endpoint, *failure) { return f.endpoint, nil }
func (f fixed) doubt()                                            {}

// discovery reads the endpoint from the server's metadata (OpenID Connect
// Discovery 1.0 §4, RFC 8414 §3).
type discovery struct {
	client       *http.Client
	issuer       string
	metadataURL  string // empty: derived from issuer
	insecureHTTP bool
	mtls         bool
	wall         func() time.Time

	mu      sync.Mutex // never held over I/O
	known   authn.Endpoint
	readAt  time.Time
	suspect bool
}

func (d *discovery) locate(ctx context.Context) (authn.Endpoint, *failure) {
	d.mu.Lock()
	known, age := d.known, time.Since(d.readAt)
	fresh := known.URL != "" && age < metadataLifetime && (!d.suspect || age < metadataRecheck)
	d.mu.Unlock()
	if fresh {
		return known, nil
	}
	found, failed := d.discover(ctx)
	if failed != nil {
		return authn.Endpoint{}, failed
	}
	d.mu.Lock()
	d.known, d.readAt, d.suspect = found, time.Now(), false
	d.mu.Unlock()
	return found, nil
}

func (d *discovery) doubt() {
	d.mu.Lock()
	d.suspect = true
	d.mu.Unlock()
}

// discover asks the well-known place of OpenID Connect, then that of RFC 8414
// where the first has nothing. The requests carry no credential.
func (d *discovery) discover(ctx context.Context) (authn.Endpoint, *failure) {
	if d.metadataURL != "" {
		return d.read(ctx, d.metadataURL)
	}
	found, failed := d.read(ctx, strings.TrimSuffix(d.issuer, "/")+"/.well-known/openid-configuration")
	if failed == nil || failed.err.HTTPStatus != http.StatusNotFound {
		return found, failed
	}
	return d.read(ctx, oauthMetadataURL(d.issuer))
}

// oauthMetadataURL puts the well-known part between host and path (RFC 8414
// §3.1).
func oauthMetadataURL(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return issuer // validate has parsed it before
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	return u.Scheme + "://" + u.Host + "/.well-known/oauth-authorization-server" + path
}

func (d *discovery) read(ctx context.Context, metadataURL string) (authn.Endpoint, *failure) {
	var none authn.Endpoint
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, metadataURL, http.NoBody)
	if err != nil {
		return none, misled("the metadata URL is not valid", errors.New("Config.Issuer and Config.MetadataURL make no URL"))
	}
	during := func(f *failure) *failure { return f.during(http.MethodGet, metadataURL, "") }
	req.Header.Set("Accept", "application/json")
	resp, err := d.client.Do(req)
	if err != nil {
		return none, during(failureOf(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return none, during(malformed(resp.StatusCode, "the authorization server has no metadata"))
	}
	fields, failed := readObject(resp, d.wall(), "the metadata endpoint")
	if failed != nil {
		return none, during(failed)
	}
	if resp.StatusCode != http.StatusOK {
		return none, during(malformed(resp.StatusCode, "the metadata endpoint refused"))
	}
	if issuer := stringField(fields, "issuer"); issuer != d.issuer {
		return none, during(misled("the metadata names another issuer than the configured one", anotherIssuer(d.issuer, issuer)))
	}
	endpoint := stringField(fields, "token_endpoint")
	if alias := mtlsAlias(fields); d.mtls && alias != "" {
		endpoint = alias
	}
	if endpoint == "" {
		return none, during(misled("the metadata names no token endpoint", errors.New("set Config.TokenURL instead")))
	}
	// What came by https leads nowhere else: plain http is for a server that is
	// on loopback itself, or metadata could have the secret sent to whatever
	// listens beside this client.
	if checkEndpoint(endpoint, d.insecureHTTP) != nil || !d.insecureHTTP && isHTTPS(metadataURL) && !isHTTPS(endpoint) {
		return none, during(misled("the metadata names a token endpoint that is not an https URL",
			fmt.Errorf("the unverified token_endpoint %s can't be used; set Config.TokenURL, or see InsecureTokenURL", quoted(publicURL(endpoint)))))
	}
	return authn.Endpoint{URL: endpoint, Issuer: d.issuer}, nil
}

// mtlsAlias is the token endpoint for clients with a certificate (RFC 8705 §5).
func mtlsAlias(fields map[string]json.RawMessage) string {
	aliases, err := decodeObject(fields["mtls_endpoint_aliases"])
	if err != nil {
		return ""
	}
	return stringField(aliases, "token_endpoint")
}

// stringField is empty for a member that is missing or no string.
func stringField(fields map[string]json.RawMessage, name string) string {
	var value string
	if json.Unmarshal(fields[name], &value) != nil {
		return ""
	}
	return value
}

// misled is for metadata that can't be trusted: someone has to change it.
func misled(text string, cause error) *failure {
	return &failure{wide: true, slow: true, err: &Error{Kind: KindMisconfigured, text: text, err: cause}}
}
