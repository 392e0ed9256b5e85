package credentials

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// Option weakens or changes a default of New. Those that weaken security say so
// in their name.
type Option interface{ apply(*options) }

type options struct {
	transport    transportPolicy
	insecureHTTP bool
}

type optionFunc func(*options)

func (f optionFunc) apply(o *options) { f(o) }

// LocalPlaintext lets tokens go over connections without TLS when the peer of
// the connection is local: a loopback address, a unix socket, or bufconn in the
// same process. The proxy that HTTPS_PROXY names counts as not local, wherever
// it listens. What else listens there is believed to be local; a tunnel that
// listens on loopback and forwards elsewhere defeats this.
func LocalPlaintext() Option {
	return optionFunc(func(o *options) { o.transport.local = true })
}

// InsecureMeshPlaintext lets tokens go over connections without TLS to the
// named authorities, whatever the peer: for a service mesh whose sidecar adds
// TLS. An authority is what the :authority header carries, host and port; the
// port 443 is left out. Nothing here verifies that the mesh does its part.
func InsecureMeshPlaintext(authorities ...string) Option {
	return optionFunc(func(o *options) {
		for _, authority := range authorities {
			if authority == "" {
				continue // it would match a call that names none
			}
			o.transport.mesh = append(o.transport.mesh, strings.TrimSuffix(authority, ":443"))
		}
	})
}

// InsecureTokenURL accepts plain http for the token endpoint and its metadata
// off loopback too. The client's secret then travels in the clear.
func InsecureTokenURL() Option {
	return optionFunc(func(o *options) { o.insecureHTTP = true })
}

// TargetOption says what a token is for, where that differs from Config.
type TargetOption interface{ apply(*target) }

type targetFunc func(*target)

func (f targetFunc) apply(t *target) { f(t) }

// Resource asks for a token for these resources (RFC 8707) instead of those of
// Config: absolute URIs without a fragment.
func Resource(uris ...string) TargetOption {
	return targetFunc(func(t *target) { t.resources = slices.Clone(uris) })
}

// Audience asks for a token for this audience instead of that of Config.
func Audience(audience string) TargetOption {
	return targetFunc(func(t *target) { t.audience = audience })
}

// Scopes asks for a token with these scopes instead of those of Config.
func Scopes(scopes ...string) TargetOption {
	return targetFunc(func(t *target) { t.scopes = slices.Clone(scopes) })
}

// target is what a token is asked for. It is not changed once in use.
type target struct {
	scopes    []string
	audience  string
	resources []string
}

// key tells targets apart. No part can hold a NUL: validate refuses it.
func (t target) key() string {
	return strings.Join(t.scopes, " ") + "\x00" + t.audience + "\x00" + strings.Join(t.resources, "\x00")
}

func (t target) validate() error {
	for _, scope := range t.scopes {
		// RFC 6749 §3.3: printable ASCII without space, quote and backslash.
		if scope == "" || strings.ContainsFunc(scope, func(r rune) bool { return r < '!' || r > '~' || r == '"' || r == '\\' }) {
			return errors.New("a scope is empty or has a character that scopes can't have")
		}
	}
	if strings.ContainsFunc(t.audience, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("the audience has a control character")
	}
	for _, resource := range t.resources {
		u, err := url.Parse(resource)
		if err != nil || !u.IsAbs() || strings.Contains(resource, "#") {
			return errors.New("a resource must be an absolute URI without a fragment (RFC 8707 §2)")
		}
	}
	return nil
}
