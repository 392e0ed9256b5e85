package verify

import "strings"

const (
	spiffeScheme = "spiffe://"
	maxSPIFFEID  = 2048 // SPIFFE-ID §2.3, in bytes
)

// setSVID, among the algorithms that a key set may have, admits keys whose use is
// jwt-svid (SPIFFE Trust Domain and Bundle §4.2.2). It is not an algorithm itself.
const setSVID algSet = 1 << 15

// ofIssuer reports whether the claims are of the profile's issuer. Only a JWT-SVID
// may lack iss: its trust domain identifies the issuer.
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

// trustDomainOf returns the trust domain of a SPIFFE ID, with its scheme, or an empty
// text if subject isn't a SPIFFE ID.
func trustDomainOf(subject string) string {
	rest, ok := strings.CutPrefix(subject, spiffeScheme)
	domain, _, path := strings.Cut(rest, "/")
	if !ok || !path {
		return ""
	}
	return spiffeScheme + domain
}

// isTrustDomain reports whether an issuer is a trust domain (SPIFFE-ID §2.1).
func isTrustDomain(issuer string) bool {
	domain, ok := strings.CutPrefix(issuer, spiffeScheme)
	return ok && domain != "" && len(domain) <= 255 && strings.Trim(domain, "abcdefghijklmnopqrstuvwxyz0123456789.-_") == ""
}

// isSPIFFEPath reports whether a path, without its first slash, is that of a SPIFFE
// ID (SPIFFE-ID §2.2).
func isSPIFFEPath(path string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" || segment == "." || segment == ".." || strings.Trim(segment, allowed) != "" {
			return false
		}
	}
	return true
}
