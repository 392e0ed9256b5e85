package verify

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// registeredClaims are the names that have a meaning in this package, including
// those that distinguish kinds of tokens. A member that differs from one of
// them only by case is refused: another reader of the token may treat the two
// as the same.
var registeredClaims = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "azp", "scope", "scp", "cnf", "act", "acr", "amr",
	"auth_time", "token_use", "token_type", "typ", "nonce", "at_hash", "c_hash", "s_hash", "events", "sid", "active",
	"roles", "groups", "permissions", "organization",
}

// registeredNested are the names that have a meaning within act and cnf.
var registeredNested = []string{"iss", "sub", "client_id", "act", "x5t#S256", "jkt", "jwk", "jku", "jwe", "kid"}

// maxActors bounds a delegation chain (RFC 8693 §4.1).
const maxActors = 8

// imitates reports whether name differs from a registered one only by case,
// including Unicode's simple folding ("ſub", "client_id" with a Kelvin sign).
func imitates(name string, registered []string) bool {
	suspicious := false
	for i := range len(name) {
		if c := name[i]; 'A' <= c && c <= 'Z' || c >= 0x80 {
			suspicious = true
			break
		}
	}
	if !suspicious {
		// Only x5t#S256 has a capital letter of its own.
		return strings.HasPrefix(name, "x5t#s")
	}
	for _, r := range registered {
		if name != r && strings.EqualFold(name, r) {
			return true
		}
	}
	return false
}

// instant is a NumericDate (RFC 7519 §2) in microseconds since the epoch.
type instant int64

const (
	noInstant  instant = math.MinInt64
	maxSeconds         = 253402300799 // the end of the year 9999
)

func instantOf(t time.Time) instant { return instant(t.UnixMicro()) }

func (i instant) present() bool { return i != noInstant }

func (i instant) time() time.Time {
	if i == noInstant {
		return time.Time{}
	}
	return time.UnixMicro(int64(i))
}

func (i instant) add(d time.Duration) instant { return i + instant(d.Microseconds()) }

// dateValue reads a NumericDate: a JSON number, possibly with a fraction, from
// the epoch to the year 9999.
func dateValue(raw string) (instant, bool) {
	if raw == "" || raw[0] < '0' || raw[0] > '9' {
		return noInstant, false
	}
	var seconds int64
	for i := range len(raw) {
		c := raw[i]
		if c < '0' || c > '9' {
			return fractionalDate(raw)
		}
		if seconds = seconds*10 + int64(c-'0'); seconds > maxSeconds {
			return noInstant, false
		}
	}
	return instant(seconds * int64(time.Second/time.Microsecond)), true
}

func fractionalDate(raw string) (instant, bool) {
	f, err := strconv.ParseFloat(raw, 64)
	if err != nil || f < 0 || f > maxSeconds {
		return noInstant, false
	}
	return instant(f * float64(time.Second/time.Microsecond)), true
}

// claims are the claims of a token or of an introspection answer after the
// strict decoding. Every later step reads them.
type claims struct {
	members []member
	nulls   []string // of an introspection answer: the members that were removed because they were null

	issuer, subject, clientID, tokenID, acr string
	audiences, scopes, scp, amr             []string
	expires, notBefore, issued, authTime    instant
	tokenUse, tokenType, typ                string
	authTimeText                            string // auth_time, if it isn't a NumericDate
	hasScope, hasScp, hasAudience           bool
	active                                  string // of an introspection answer, as JSON text
	marks                                   tokenMark
	actor                                   *Actor
	confirmation                            confirmation
	roles, groups, permissions              []string
	organization                            string
	hasIssuer                               bool
}

// decodeClaims decodes strictly. The error is one of the constant refusals.
func decodeClaims(text string) (*claims, *Error) {
	c := &claims{
		members: make([]member, 0, 16),
		expires: noInstant, notBefore: noInstant, issued: noInstant, authTime: noInstant,
	}
	var err error
	if c.members, err = decodeObject(text, c.members); err != nil {
		if errors.Is(err, errJSONDuplicate) {
			return nil, errClaimsMember
		}
		return nil, errClaimsJSON
	}
	for i := range c.members {
		if refused := c.take(&c.members[i]); refused != nil {
			return nil, refused
		}
	}
	if !c.hasScope { // in any order of the members
		c.scopes = c.scp
	}
	return c, nil
}

// take reads one registered claim.
func (c *claims) take(m *member) *Error {
	ok := true
	switch m.name {
	case "iss":
		c.issuer, ok = stringValue(m.value)
		c.hasIssuer = true
	case "sub":
		c.subject, ok = stringValue(m.value)
	case "aud":
		c.audiences, ok = audienceValue(m.value)
		c.hasAudience = true
	case "exp":
		c.expires, ok = dateValue(m.value)
	case "nbf":
		c.notBefore, ok = dateValue(m.value)
	case "iat":
		c.issued, ok = dateValue(m.value)
	case "auth_time":
		if c.authTime, ok = dateValue(m.value); !ok {
			c.authTimeText, ok = stringValue(m.value) // the profile decides on it
			ok = ok && c.authTimeText != ""
		}
	case "jti":
		c.tokenID, ok = stringValue(m.value)
	case "client_id":
		c.clientID, ok = stringValue(m.value)
	case "scope":
		c.scopes, ok = scopeValue(m.value)
		c.hasScope = true
	case "scp":
		c.scp, ok = scopeValue(m.value)
		c.hasScp = true
	case "acr":
		c.acr, ok = stringValue(m.value)
	case "amr":
		c.amr, ok = stringsValue(m.value)
	case "act":
		var refused *Error
		if c.actor, refused = actorValue(m.value, maxActors); refused != nil {
			return refused
		}
	case "cnf":
		var refused *Error
		if c.confirmation, refused = confirmationValue(m.value); refused != nil {
			return refused
		}
	default:
		return c.takeOther(m)
	}
	if !ok {
		return wrongType(m.name)
	}
	return nil
}

// takeOther reads a claim that distinguishes kinds of tokens, or one for which
// no standard defines a single form.
func (c *claims) takeOther(m *member) *Error {
	ok := true
	switch m.name {
	case "token_use":
		c.tokenUse, ok = stringValue(m.value)
	case "token_type":
		c.tokenType, ok = stringValue(m.value)
	case "typ":
		c.typ, ok = stringValue(m.value)
	case "active":
		c.active = m.value
	case "nonce":
		c.marks |= markNonce
	case "at_hash":
		c.marks |= markAtHash
	case "c_hash":
		c.marks |= markCHash
	case "s_hash":
		c.marks |= markSHash
	case "events":
		c.marks |= markEvents
	case "roles":
		c.roles = looseStrings(m.value)
	case "groups":
		c.groups = looseStrings(m.value)
	case "permissions":
		c.permissions = looseStrings(m.value)
	case "organization":
		c.organization, _ = stringValue(m.value)
	case "azp", "sid": // have no meaning here
	default:
		if imitates(m.name, registeredClaims) {
			return errClaimsMember
		}
	}
	if !ok {
		return wrongType(m.name)
	}
	return nil
}

// audienceValue reads a string or an array of strings (RFC 7519 §4.1.3).
func audienceValue(raw string) ([]string, bool) {
	if one, ok := stringValue(raw); ok {
		return []string{one}, true
	}
	return stringsValue(raw)
}

// scopeValue reads a space-separated string (RFC 9068 §2.2.3) or, as some
// servers write it, an array of strings. Only U+0020 separates: a scope that
// contains any other kind of space equals no scope that a rule can name.
func scopeValue(raw string) ([]string, bool) {
	if text, ok := stringValue(raw); ok {
		return distinct(strings.Split(text, " ")), true
	}
	scopes, ok := stringsValue(raw)
	return distinct(scopes), ok
}

// distinct removes empty and repeated names, in place. An attacker chooses the
// length of the list, so the work is linear in it, not quadratic.
func distinct(names []string) []string {
	kept := names[:0]
	var seen map[string]struct{}
	if len(names) > fewNames {
		seen = make(map[string]struct{}, len(names))
	}
	for _, name := range names {
		if name == "" || seen == nil && slices.Contains(kept, name) {
			continue
		}
		if seen != nil {
			if _, again := seen[name]; again {
				continue
			}
			seen[name] = struct{}{}
		}
		kept = append(kept, name)
	}
	return kept
}

// looseStrings reads claims for which no standard defines a single form (RFC
// 9068 §2.2.3.1 leaves it to SCIM): an array of strings or one string. A claim
// of any other form grants nothing here, and is available from Principal.Claim.
func looseStrings(raw string) []string {
	if one, ok := stringValue(raw); ok {
		return []string{one}
	}
	list, ok := stringsValue(raw)
	if !ok {
		return nil
	}
	return list
}
