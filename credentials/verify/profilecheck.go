package verify

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/usher-auth/usher/internal/endpoint"
)

// profile is a checked copy of a Profile, with what is derived from it.
type profile struct {
	Profile

	issuer string

	// plain is set if claims are read where RFC 9068 has them, so that read has
	// nothing to do.
	plain     bool
	accepted  []string // header types, in lower case, without application/
	untyped   bool     // a header without typ is accepted
	tolerated tokenMark
	// names are the claims that have a meaning only because of the profile.
	names []string
}

// newProfile checks a profile for an issuer. Its error joins all faults.
func newProfile(given Profile, issuer string) (*profile, error) {
	p := &profile{Profile: given.clone(), issuer: issuer}
	var problems []error
	bad := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("verify: Profile: "+format, args...))
	}
	if p.readTypes() && len(p.AccessToken) == 0 {
		bad("AccessToken is required: Types has more than at+jwt, so an ID token would pass")
	}
	for _, name := range p.Tolerated {
		mark, ok := tokenMarks[name]
		if !ok {
			bad("Tolerated: %q is none of nonce, at_hash, c_hash and s_hash", name)
		}
		p.tolerated |= mark
	}
	for _, list := range []struct {
		name  string
		paths []Path
	}{{"ClientID", p.ClientID}, {"Scopes", p.Scopes}, {"Roles", p.Roles}, {"Groups", p.Groups}, {"Permissions", p.Permissions}} {
		for _, path := range list.paths {
			if !path.valid() {
				bad("%s: a path is empty, has an empty name or is longer than %d", list.name, maxPathDepth)
				continue
			}
			p.gives(path)
		}
	}
	for _, list := range []struct {
		name     string
		evidence []Evidence
	}{{"AccessToken", p.AccessToken}, {"OtherToken", p.OtherToken}, {"Service", p.Service}, {"User", p.User}} {
		for _, e := range list.evidence {
			if len(e) == 0 {
				bad("%s: one has no condition", list.name)
			}
			for i := range e {
				if err := e[i].check(); err != nil {
					bad("%s: %w", list.name, err)
					continue
				}
				p.gives(e[i].Claim)
			}
		}
	}
	p.checkSubject(bad)
	p.plain = p.ClientID == nil && p.Scopes == nil && p.SubjectPrefix == "" && !p.TrustDomain && len(p.names) == 0
	return p, errors.Join(problems...)
}

// readTypes reads Types, and reports whether it has any other than at+jwt.
func (p *profile) readTypes() (generic bool) {
	if p.Types == nil {
		p.accepted = []string{typeAccessToken}
		return false
	}
	for _, typ := range p.Types {
		switch typ = bareType(strings.ToLower(typ)); typ {
		case "":
			p.untyped, generic = true, true
		default:
			p.accepted = append(p.accepted, typ)
			generic = generic || typ != typeAccessToken
		}
	}
	return generic
}

// checkSubject checks the fields that determine how sub is read.
func (p *profile) checkSubject(bad func(format string, args ...any)) {
	if (p.SubjectPrefix != "" || p.TrustDomain) && len(p.Service) == 0 && p.Kind == nil {
		bad("Service is required: a client id that is made of sub proves nothing")
	}
	if p.SubjectPrefix != "" && p.TrustDomain {
		bad("SubjectPrefix contradicts TrustDomain: set one")
	}
	if p.TokenIssuer != "" && !p.TrustDomain {
		bad("TokenIssuer is of no use without TrustDomain")
	}
	if err := endpoint.CheckIssuer(p.TokenIssuer); err != nil {
		bad("TokenIssuer: %w", err)
	}
	if p.TrustDomain && !isTrustDomain(p.issuer) {
		bad("TrustDomain: Issuer must be a trust domain, such as spiffe://example.org")
	}
}

// gives records that a claim has a meaning, so that tokens with a similar name are
// refused: see looksLike.
func (p *profile) gives(path Path) {
	if !slices.Contains(registeredClaims, path[0]) && !slices.Contains(p.names, path[0]) {
		p.names = append(p.names, path[0])
	}
}

func (p *Profile) clone() Profile {
	out := *p
	out.Types, out.Tolerated = slices.Clone(p.Types), slices.Clone(p.Tolerated)
	for _, paths := range []*[]Path{&out.ClientID, &out.Scopes, &out.Roles, &out.Groups, &out.Permissions} {
		*paths = slices.Clone(*paths)
		for i, path := range *paths {
			(*paths)[i] = slices.Clone(path)
		}
	}
	for _, list := range []*[]Evidence{&out.AccessToken, &out.OtherToken, &out.Service, &out.User} {
		*list = slices.Clone(*list)
		for i, e := range *list {
			e = slices.Clone(e)
			for j := range e {
				e[j].Claim, e[j].Values = slices.Clone(e[j].Claim), slices.Clone(e[j].Values)
			}
			(*list)[i] = e
		}
	}
	return out
}

// same reports whether two profiles read tokens alike. Functions can't be compared:
// two profiles that both have a Kind may differ in it.
func (p *profile) same(other *profile) bool {
	a, b := p.Profile, other.Profile
	alike := (a.Kind == nil) == (b.Kind == nil)
	a.Kind, b.Kind = nil, nil
	return alike && reflect.DeepEqual(a, b)
}

// title returns the name of the profile for the cause of an error.
func (p *profile) title() string {
	switch {
	case p.Name != "":
		return p.Name
	case reflect.DeepEqual(p.Profile, Profile{}):
		return "RFC 9068"
	default:
		return "of your own"
	}
}
