package verify

import "slices"

// checkHeader applies the issuer's configuration to a decoded header.
func (v *JWT) checkHeader(h *header) *Error {
	switch {
	case h.alg&v.algs == 0:
		return errHeaderAlg
	case !h.typAllowed(v.generic):
		return errHeaderTyp
	default:
		return nil
	}
}

// checkClaims applies RFC 9068 §4 and RFC 8725 §3 to decoded claims. The
// expiry comes last, so that TOKEN_EXPIRED means nothing else was found.
func (v *JWT) checkClaims(h *header, c *claims, now instant) *Error {
	leeway := v.leeway
	switch {
	case !c.hasIssuer || c.issuer != v.id.issuer:
		return errClaimsIssuer
	case !audienceMatches(c.audiences, v.audiences):
		return errClaimsAudience
	case c.subject == "" && c.clientID == "":
		return errClaimsIdentity
	case c.tokenUse != "" && c.tokenUse != "access":
		return errClaimsUse
	case h.isGeneric() && !c.looksLikeAccessToken():
		return errClaimsUse
	case !c.expires.present():
		return errClaimsNoExp
	case c.notBefore.present() && now.add(leeway) < c.notBefore, c.issued.present() && now.add(leeway) < c.issued:
		return errClaimsNotYet
	case now >= c.expires.add(leeway):
		return errExpired
	default:
		return nil
	}
}

// audienceMatches reports whether the token is meant for one of ours. An array
// with an empty member is still an array of strings; it matches by its others.
func audienceMatches(got, ours []string) bool {
	for _, a := range ours {
		if slices.Contains(got, a) {
			return true
		}
	}
	return false
}

// isGeneric reports whether the header doesn't say that this is an access token.
func (h *header) isGeneric() bool { return !h.typAllowed(false) }

// looksLikeAccessToken tells access tokens from ID, refresh and logout tokens by
// their claims, where typ doesn't.
func (c *claims) looksLikeAccessToken() bool {
	if c.identityMarks {
		return false
	}
	switch c.typ {
	case "", "Bearer", "bearer", "at+jwt", "access", "access_token":
	default: // "ID", "Refresh", "Offline", "Logout"
		return false
	}
	return c.tokenUse == "access" || c.clientID != "" || len(c.scopes) > 0
}
