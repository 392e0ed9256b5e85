package credentials

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/usher-auth/usher/credentials/internal/authn"
	"github.com/usher-auth/usher/internal/endpoint"
	"github.com/usher-auth/usher/internal/wellknown"
)

const (
	// metadataLifetime is how long discovered metadata is used.
	metadataLifetime = time.Hour
	// metadataRecheck is how soon it is read again after a token request
	// failed, since the endpoint may have moved.
	metadataRecheck = time.Minute
)

// locator finds the token endpoint.
type locator interface {
	// locate returns the token endpoint. It may do I/O, within the fetch's
	// context.
	locate(ctx context.Context) (authn.Endpoint, *failure)
	// doubt reports that a request to the endpoint failed.
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
	metadataURL  string // if empty, derived from issuer
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

// discover reads the metadata at OpenID Connect's well-known URL or, if the
// server has none there, at that of RFC 8414. The requests carry no credential.
func (d *discovery) discover(ctx context.Context) (authn.Endpoint, *failure) {
	if d.metadataURL != "" {
		return d.read(ctx, d.metadataURL)
	}
	found, failed := d.read(ctx, wellknown.OpenID(d.issuer))
	if failed == nil || failed.err.HTTPStatus != http.StatusNotFound {
		return found, failed
	}
	place, ok := wellknown.OAuth(d.issuer)
	if !ok {
		return found, failed // not reached: the issuer was parsed before
	}
	return d.read(ctx, place)
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
	address := stringField(fields, "token_endpoint")
	if alias := mtlsAlias(fields); d.mtls && alias != "" {
		address = alias
	}
	if address == "" {
		return none, during(misled("the metadata names no token endpoint", errors.New("set Config.TokenURL instead")))
	}
	if checkEndpoint(address, d.insecureHTTP) != nil || !d.insecureHTTP && !endpoint.MayName(metadataURL, address) {
		return none, during(misled("the metadata names a token endpoint that is not an https URL",
			fmt.Errorf("the unverified token_endpoint %s can't be used; set Config.TokenURL, or see InsecureTokenURL", quoted(publicURL(address)))))
	}
	return authn.Endpoint{URL: address, Issuer: d.issuer}, nil
}

// mtlsAlias returns the token endpoint for clients with a certificate (RFC 8705
// §5), or "".
func mtlsAlias(fields map[string]any) string {
	aliases, _ := fields["mtls_endpoint_aliases"].(map[string]any)
	return stringField(aliases, "token_endpoint")
}

// stringField returns a member that is a string, and "" otherwise.
func stringField(fields map[string]any, name string) string {
	value, _ := fields[name].(string)
	return value
}

// misled returns the failure of metadata that can't be trusted. It doesn't pass
// until someone changes the metadata or the configuration.
func misled(text string, cause error) *failure {
	return &failure{wide: true, slow: true, err: &Error{Kind: KindMisconfigured, text: text, err: cause}}
}
