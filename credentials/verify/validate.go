package verify

import "slices"

// checkHeader applies the issuer's configuration to a decoded header.
func (v *JWT) checkHeader(h *header) *Error {
	switch {
	case h.alg&v.algs == 0:
		return errHeaderAlg
	case !v.id.profile.typAllowed(h):
		return errHeaderTyp
	default:
		return nil
	}
}

// checkClaims applies RFC 9068 §4 and RFC 8725 §3 to decoded claims. The expiry
// is checked last, so that Error.Expired means that no other fault was found.
func (v *JWT) checkClaims(h *header, c *claims, now instant) *Error {
	leeway, profile := v.leeway, v.id.profile
	if !profile.ofIssuer(c) {
		return errClaimsIssuer
	}
	if refused := profile.read(c); refused != nil {
		return refused
	}
	switch {
	case !profile.isFor(c, v.audiences):
		return errClaimsAudience
	case c.subject == "" && c.clientID == "":
		return errClaimsIdentity
	case !profile.isAccessToken(h, c):
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

// isFor reports whether the token is meant for one of our names. An issuer that
// omits aud means any server that trusts the client that requested the token.
func (p *profile) isFor(c *claims, ours []string) bool {
	if p.ClientAsAudience && !c.hasAudience {
		return c.clientID != "" && slices.Contains(ours, c.clientID)
	}
	return audienceMatches(c.audiences, ours)
}

// audienceMatches reports whether got and ours have a member in common. An
// empty string in got is legal and matches nothing, since ours has none.
func audienceMatches(got, ours []string) bool {
	for _, a := range ours {
		if slices.Contains(got, a) {
			return true
		}
	}
	return false
}
