package verify

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/endpoint"
)

// profile is a Profile that was checked and copied, with what reading needs.
type profile struct {
	Profile

	issuer string

	// plain says that claims are read as RFC 9068 has them: nothing to do.
	plain     bool
	accepted  []string // header types, in lower case, without application/
	untyped   bool     // a header without typ is accepted
	tolerated tokenMark
	// names are the claims that get a meaning by the profile alone.
	names []string
}

// tokenMark is a claim that only other kinds of tokens have.
type tokenMark uint8

const (
	markNonce tokenMark = 1 << iota
	markAtHash
	markCHash
	markSHash
	markEvents
)

var tokenMarks = map[string]tokenMark{"nonce": markNonce, "at_hash": markAtHash, "c_hash": markCHash, "s_hash": markSHash}

// setSVID, among the algorithms that a key set may serve, lets in keys whose use
// is jwt-svid (SPIFFE Trust Domain and Bundle §4.2.2). It is no algorithm.
const setSVID algSet = 1 << 15

const (
	clientPlaceholder = "{$client_id}"
	typePrefix        = "application/"
	typeAccessToken   = "at+jwt"
	spiffeScheme      = "spiffe://"
	maxSPIFFEID       = 2048 // SPIFFE-ID §2.3, in bytes
	maxPathDepth      = 8
)

// newProfile checks a profile for an issuer. All problems come at once.
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

// readTypes reads Types, and reports whether there is more than at+jwt.
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

// checkSubject checks what is read of sub.
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

// gives notes that a claim has a meaning, so that nothing may look like it.
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

func (path Path) valid() bool {
	return len(path) > 0 && len(path) <= maxPathDepth && !slices.Contains(path, "")
}

func (c *Condition) check() error {
	if !c.Claim.valid() {
		return fmt.Errorf("Claim: empty, has an empty name or is longer than %d", maxPathDepth)
	}
	switch c.Test {
	case Present, Absent:
		if len(c.Values) > 0 {
			return fmt.Errorf("%q: Values are of no use with Present and Absent", c.Claim)
		}
	case Equals, Differs, HasPrefix, Contains, EqualsFold:
		if len(c.Values) == 0 || slices.Contains(c.Values, "") {
			return fmt.Errorf("%q: Values: none, or one is empty", c.Claim)
		}
		for _, value := range c.Values {
			if strings.Contains(strings.ReplaceAll(value, clientPlaceholder, ""), "{$") {
				return fmt.Errorf("%q: Values: %q: the only placeholder is %s", c.Claim, value, clientPlaceholder)
			}
		}
	default:
		return fmt.Errorf("%q: Test is none of Present, Absent, Equals, EqualsFold, Differs, HasPrefix and Contains", c.Claim)
	}
	return nil
}

// same reports whether two profiles read tokens alike. Of functions it can only
// be known whether there are any.
func (p *profile) same(other *profile) bool {
	a, b := p.Profile, other.Profile
	alike := (a.Kind == nil) == (b.Kind == nil)
	a.Kind, b.Kind = nil, nil
	return alike && reflect.DeepEqual(a, b)
}

// title names the profile in a cause.
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

// bareType is a media type without "application/" (RFC 7515 §4.1.9).
func bareType(typ string) string {
	if len(typ) > len(typePrefix) && strings.EqualFold(typ[:len(typePrefix)], typePrefix) {
		return typ[len(typePrefix):]
	}
	return typ
}

// typAllowed applies RFC 9068 §4 and RFC 8725 §3.11.
func (p *profile) typAllowed(h *header) bool {
	if !h.hasTyp {
		return p.untyped
	}
	typ := bareType(h.typ)
	for _, accepted := range p.accepted {
		if strings.EqualFold(typ, accepted) {
			return true
		}
	}
	return false
}

// ofIssuer reports whether the claims are of the profile's issuer. Only a
// JWT-SVID may do without iss: its trust domain says whose it is.
func (p *profile) ofIssuer(c *claims) bool {
	if !p.TrustDomain {
		return c.hasIssuer && c.issuer == p.issuer
	}
	if c.hasIssuer && c.issuer != p.issuer && (p.TokenIssuer == "" || c.issuer != p.TokenIssuer) {
		return false
	}
	_, inside := strings.CutPrefix(c.subject, p.issuer+"/")
	return inside
}

// read finds what stands where the profile says, and puts it where the later
// steps look. It does so before the signature is checked: its work is bounded by
// the size of the claims and of the profile.
func (p *profile) read(c *claims) *Error {
	if c.authTimeText != "" {
		t, err := time.Parse(time.RFC3339, c.authTimeText)
		if !p.AuthTimeText || err != nil || t.Unix() < 0 {
			return wrongType("auth_time")
		}
		c.authTime = instantOf(t)
	}
	if p.plain {
		return nil
	}
	for i := range c.members {
		if looksLike(c.members[i].name, p.names) {
			return errClaimsMember
		}
	}
	if refused := p.readClient(c); refused != nil {
		return refused
	}
	if p.Scopes == nil {
		return nil
	}
	c.scopes, c.hasScope, c.hasScp = nil, false, false
	for _, path := range p.Scopes {
		raw, refused := c.find(path)
		if refused != nil {
			return refused
		}
		if raw == "" {
			continue
		}
		scopes, ok := scopeValue(raw)
		if !ok {
			return wrongType(path...)
		}
		if !c.hasScope {
			c.scopes, c.hasScope = scopes, true
		}
	}
	return nil
}

// readClient finds the client's id. Two that differ are no answer.
func (p *profile) readClient(c *claims) *Error {
	id, found := "", false
	take := func(text string) bool {
		if found && text != id {
			return false
		}
		id, found = text, true
		return true
	}
	paths := p.ClientID
	if paths == nil {
		paths = rfc9068ClientID
	}
	for _, path := range paths {
		raw, refused := c.find(path)
		if refused != nil {
			return refused
		}
		if raw == "" {
			continue
		}
		text, ok := stringValue(raw)
		if !ok {
			return wrongType(path...)
		}
		if !take(text) {
			return errClaimsClient
		}
	}
	switch {
	case p.TrustDomain:
		path, ok := strings.CutPrefix(c.subject, p.issuer+"/")
		if !ok || !isSPIFFEPath(path) || len(c.subject) > maxSPIFFEID {
			return errClaimsIdentity
		}
		if !take(path) {
			return errClaimsClient
		}
	case p.SubjectPrefix != "":
		if rest, ok := strings.CutPrefix(c.subject, p.SubjectPrefix); ok && rest != "" {
			if strings.Contains(rest, "/") { // it would be another's once ":" is written so
				return errClaimsIdentity
			}
			if !take(strings.ReplaceAll(rest, ":", "/")) {
				return errClaimsClient
			}
		}
	}
	c.clientID = id
	return nil
}

var rfc9068ClientID = []Path{{"client_id"}}

// looksLike reports whether name differs from one of names only by case,
// Unicode's simple folding included.
func looksLike(name string, names []string) bool {
	for _, n := range names {
		if name != n && strings.EqualFold(name, n) {
			return true
		}
	}
	return false
}

// find returns the JSON text of a claim, empty if there is none. What looks like
// a name of the path, and a way through something that is no object, are refused
// as they are at the top.
func (c *claims) find(path Path) (string, *Error) {
	members := c.members
	for i, name := range path {
		at := slices.IndexFunc(members, func(m member) bool { return m.name == name })
		if i > 0 && slices.ContainsFunc(members, func(m member) bool { return looksLike(m.name, path[i:i+1]) }) {
			return "", errClaimsMember
		}
		if at < 0 {
			return "", nil
		}
		raw := members[at].value
		if i == len(path)-1 {
			return raw, nil
		}
		nested, err := decodeObject(raw, nil)
		if err != nil {
			return "", wrongType(path[:i+1]...)
		}
		members = nested
	}
	return "", nil
}

// isAccessToken judges what kind of token the claims are of: the one function
// for JWTs and for introspection answers, for which h is nil. What a token says
// against itself counts under every profile and every header.
func (p *profile) isAccessToken(h *header, c *claims) bool {
	if !saysAccessToken(c.tokenUse) || !saysAccessToken(c.tokenType) || !saysAccessToken(c.typ) {
		return false
	}
	if c.marks&^p.tolerated != 0 || anyHolds(p.OtherToken, c) {
		return false
	}
	if h == nil && len(p.AccessToken) == 0 {
		return true
	}
	return h != nil && h.saysAccessToken() || anyHolds(p.AccessToken, c)
}

// saysAccessToken reports whether a claim that names the token's kind says
// nothing else: servers write it in token_use, token_type or typ. DPoP, MAC and
// N_A are no bearer tokens.
func saysAccessToken(kind string) bool {
	if kind == "" {
		return true
	}
	for _, name := range accessTokenNames {
		if strings.EqualFold(kind, name) {
			return true
		}
	}
	return false // ID, Refresh, Offline, Logout, refresh_token
}

var accessTokenNames = []string{
	"bearer", "access", "access_token", typeAccessToken, typePrefix + typeAccessToken, "urn:ietf:params:oauth:token-type:access_token",
}

// saysAccessToken reports whether the header says so (RFC 9068 §2.1).
func (h *header) saysAccessToken() bool {
	return h.hasTyp && strings.EqualFold(bareType(h.typ), typeAccessToken)
}

func anyHolds(list []Evidence, c *claims) bool {
	for _, e := range list {
		if e.holds(c) {
			return true
		}
	}
	return false
}

func (e Evidence) holds(c *claims) bool {
	for i := range e {
		if !e[i].holds(c) {
			return false
		}
	}
	return len(e) > 0
}

func (c *Condition) holds(in *claims) bool {
	raw, refused := in.find(c.Claim)
	if refused != nil {
		return false
	}
	switch c.Test {
	case Present:
		return raw != "" && raw != "null" && raw != `""`
	case Absent:
		return raw == "" && !slices.Contains(in.nulls, c.Claim[0])
	case Equals, EqualsFold, HasPrefix:
		text, ok := stringValue(raw)
		return ok && slices.ContainsFunc(c.Values, func(v string) bool { return c.fits(text, v, in.clientID) })
	case Differs:
		text, ok := stringValue(raw)
		return ok && text != "" && !slices.ContainsFunc(c.Values, func(v string) bool {
			return in.clientID == "" && strings.Contains(v, clientPlaceholder) || c.fits(text, v, in.clientID)
		})
	case Contains:
		whole, one := stringValue(raw) // aud is one name, which may have spaces
		names, ok := scopeValue(raw)
		return ok && slices.ContainsFunc(c.Values, func(v string) bool {
			if one && c.fits(whole, v, in.clientID) {
				return true
			}
			return slices.ContainsFunc(names, func(name string) bool { return c.fits(name, v, in.clientID) })
		})
	default:
		return false
	}
}

func (c *Condition) fits(text, value, clientID string) bool {
	if strings.Contains(value, clientPlaceholder) {
		if clientID == "" {
			return false
		}
		value = strings.ReplaceAll(value, clientPlaceholder, clientID)
	}
	switch c.Test {
	case HasPrefix:
		return len(text) > len(value) && strings.HasPrefix(text, value)
	case EqualsFold:
		return strings.EqualFold(text, value)
	default:
		return text == value
	}
}

// kind says whose token the claims are of, by evidence alone.
func (p *profile) kind(c *claims) Kind {
	if p.Service == nil && p.User == nil {
		switch {
		case c.subject == "" || c.clientID == "":
			return KindUnclear
		case c.subject == c.clientID:
			return KindService
		case c.serviceElsewhere() != "":
			return KindUnclear
		default:
			return KindUser
		}
	}
	service, user := c.clientID != "" && anyHolds(p.Service, c), anyHolds(p.User, c)
	switch {
	case service == user: // nothing is proved, or too much
		return KindUnclear
	case service:
		return KindService
	default:
		return KindUser
	}
}

// lists reads roles and the like from where the profile says.
func (p *profile) lists(c *claims) {
	for _, list := range []struct {
		paths []Path
		names *[]string
	}{{p.Roles, &c.roles}, {p.Groups, &c.groups}, {p.Permissions, &c.permissions}} {
		if list.paths == nil {
			continue
		}
		var names []string
		for _, path := range list.paths {
			if raw, refused := c.find(path); refused == nil {
				names = append(names, looseStrings(raw)...)
			}
		}
		*list.names = distinct(names)
	}
}

// trustDomainOf returns the trust domain of a SPIFFE ID, with its scheme; empty
// if that isn't one.
func trustDomainOf(subject string) string {
	rest, ok := strings.CutPrefix(subject, spiffeScheme)
	domain, _, path := strings.Cut(rest, "/")
	if !ok || !path {
		return ""
	}
	return spiffeScheme + domain
}

// isTrustDomain applies SPIFFE-ID §2.1.
func isTrustDomain(issuer string) bool {
	domain, ok := strings.CutPrefix(issuer, spiffeScheme)
	return ok && domain != "" && len(domain) <= 255 && strings.Trim(domain, "abcdefghijklmnopqrstuvwxyz0123456789.-_") == ""
}

// isSPIFFEPath applies SPIFFE-ID §2.2 to a path without its first slash.
func isSPIFFEPath(path string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" || segment == "." || segment == ".." || strings.Trim(segment, allowed) != "" {
			return false
		}
	}
	return true
}
