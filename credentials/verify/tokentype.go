package verify

import "strings"

const (
	typePrefix      = "application/"
	typeAccessToken = "at+jwt"
)

// tokenMark is a set of claims that only other kinds of tokens have.
type tokenMark uint8

const (
	markNonce tokenMark = 1 << iota
	markAtHash
	markCHash
	markSHash
	markEvents
)

var tokenMarks = map[string]tokenMark{"nonce": markNonce, "at_hash": markAtHash, "c_hash": markCHash, "s_hash": markSHash}

// bareType returns a media type without "application/" (RFC 7515 §4.1.9).
func bareType(typ string) string {
	if len(typ) > len(typePrefix) && strings.EqualFold(typ[:len(typePrefix)], typePrefix) {
		return typ[len(typePrefix):]
	}
	return typ
}

// typAllowed reports whether the profile accepts the header's typ (RFC 9068 §4,
// RFC 8725 §3.11).
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

// isAccessToken reports whether the claims are an access token's, for JWTs and for
// introspection answers alike; for the latter, h is nil. A token that identifies
// itself as another kind is refused under every profile, whatever its header.
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

// saysAccessToken reports whether a claim that names the token's kind is absent or
// names an access token. Servers write the kind in token_use, token_type or typ.
// DPoP, MAC and N_A are no bearer tokens.
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

// saysAccessToken reports whether the header's typ is an access token's (RFC 9068
// §2.1).
func (h *header) saysAccessToken() bool {
	return h.hasTyp && strings.EqualFold(bareType(h.typ), typeAccessToken)
}
