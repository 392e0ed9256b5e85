package credentials

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Target describes what a token is for. The targets in events are as
// configured, so they are safe as metric labels with bounded values; their
// slices are shared and must not be changed.
type Target struct {
	// Audience is sent as the parameter audience, for servers that use it
	// instead of resource indicators. [Credentials.For] can't take it away from a
	// Config that has one.
	Audience string
	// Resources are each sent as a resource parameter (RFC 8707). They must be
	// absolute URIs without a fragment.
	Resources []string
	// Scopes are the scopes that the token is requested with.
	Scopes []string
}

// or returns t with its unset fields taken from base. The result shares no
// slice with either.
func (t Target) or(base Target) Target {
	if t.Resources == nil {
		t.Resources = base.Resources
	}
	if t.Audience == "" {
		t.Audience = base.Audience
	}
	if t.Scopes == nil {
		t.Scopes = base.Scopes
	}
	t.Resources, t.Scopes = slices.Clone(t.Resources), slices.Clone(t.Scopes)
	return t
}

// key identifies a valid target. No part can contain a NUL, since validate
// rejects it.
func (t Target) key() string {
	return strings.Join(t.Scopes, " ") + "\x00" + t.Audience + "\x00" + strings.Join(t.Resources, "\x00")
}

// validate returns all faults, one for each field at most.
func (t Target) validate() []error {
	var faults []error
	if i := slices.IndexFunc(t.Scopes, badScope); i >= 0 {
		faults = append(faults, fmt.Errorf("the scope in Scopes[%d] is empty or has a character that scopes can't have (RFC 6749 §3.3)", i))
	}
	if strings.ContainsFunc(t.Audience, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		faults = append(faults, errors.New("the Audience has a control character"))
	}
	if i := slices.IndexFunc(t.Resources, badResource); i >= 0 {
		faults = append(faults, fmt.Errorf("the resource in Resources[%d] is not an absolute URI without a fragment (RFC 8707 §2)", i))
	}
	return faults
}

// badScope applies RFC 6749 §3.3: printable ASCII without space, quote and
// backslash.
func badScope(scope string) bool {
	return scope == "" || strings.ContainsFunc(scope, func(r rune) bool { return r < '!' || r > '~' || r == '"' || r == '\\' })
}

func badResource(resource string) bool {
	u, err := url.Parse(resource)
	return err != nil || !u.IsAbs() || strings.Contains(resource, "#")
}

// params returns the form parameters of every request for t, except scope,
// which clientcredentials writes.
func (t Target) params(extra url.Values) url.Values {
	form := maps.Clone(extra)
	if form == nil {
		form = url.Values{}
	}
	if t.Audience != "" {
		form.Set("audience", t.Audience)
	}
	if len(t.Resources) > 0 {
		form["resource"] = slices.Clone(t.Resources)
	}
	return form
}
