package verify

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxSaid      = 128 // bytes that are quoted of a text from a refused token
	maxAudiences = 4   // audiences that are quoted
	maxExpected  = 4   // accepted values of a setting that are listed
)

// expectation holds what a verifier's refusals quote from its configuration.
type expectation struct {
	config    string // the name of the configuration's type, or empty for a MultiIssuer
	issuers   []string
	audiences []string
	leeway    time.Duration
	profile   *profile
	algs      algSet  // of a JWT verifier
	keys      *keySet // of a JWT verifier
}

// refusedToken is a refusal with all its details in one allocation, so that
// many refused tokens cost little. The texts are substrings of the token's own.
type refusedToken struct {
	err       Error
	said      Unverified
	audiences [maxAudiences]string
	cause     detail
}

// explain adds the details of the token to a refusal. It returns other errors
// unchanged.
func (x *expectation) explain(err error, h *header, c *claims, now instant) error {
	refused, ok := err.(*Error) //nolint:errorlint // made by this package, never wrapped
	if !ok || refused.Unverified != nil || refused.Kind != CredentialFault && !errors.Is(refused, errBudget) {
		return err
	}
	return x.refuse(refused, h, c, now)
}

// refuse returns a constant refusal with the details of the token. If h is nil,
// the claims are those of an introspection answer, whose refusal is cached: it
// must not keep the answer in memory.
func (x *expectation) refuse(constant *Error, h *header, c *claims, now instant) *Error {
	r := &refusedToken{
		err:  *constant,
		said: Unverified{Issuer: cut(c.issuer), Subject: cut(c.subject), ClientID: cut(c.clientID)},
	}
	n := copy(r.audiences[:], c.audiences)
	r.said.Audiences = r.audiences[:n:n]
	for i := range r.said.Audiences {
		r.said.Audiences[i] = cut(r.said.Audiences[i])
	}
	if h != nil {
		r.said.Type = cut(h.typ)
	} else {
		r.said.clone()
	}
	r.err.Unverified, r.err.constant = &r.said, constant.base()
	if constant.Kind == DependencyFault { // the budget for fetches is spent
		r.cause = detail{constant: constant, expected: x, said: &r.said, header: h, keys: x.keys.snapshot.Load()}
		r.err.Err = &r.cause
	}
	switch constant {
	case errKeyUnknown, errSignature, errKeyWithdrawn, errHeaderAlg:
		r.cause = detail{constant: constant, expected: x, said: &r.said, header: h, keys: x.keys.snapshot.Load()}
		r.err.Err = &r.cause
	case errClaimsIssuer, errClaimsAudience, errHeaderTyp, errClaimsUse, errClaimsClient, errClaimsIdentity, errClaimsNotYet, errExpired:
		r.cause = detail{
			constant: constant, expected: x, said: &r.said, now: now,
			expires: c.expires, notBefore: c.notBefore, issued: c.issued,
			tokenUse: cut(c.tokenUse), tokenType: cut(c.tokenType), typ: cut(c.typ), marks: c.marks,
		}
		if constant == errClaimsUse {
			r.cause.claims = c
		}
		if h == nil {
			r.cause.clone()
		}
		r.err.Err = &r.cause
	}
	return &r.err
}

// cut bounds a text to maxSaid bytes. It may split a character: callers quote
// the text when they write it.
func cut(text string) string { return text[:min(len(text), maxSaid)] }

func (u *Unverified) clone() {
	for _, text := range []*string{&u.Issuer, &u.Subject, &u.ClientID, &u.Type} {
		*text = strings.Clone(*text)
	}
	for i, audience := range u.Audiences {
		u.Audiences[i] = strings.Clone(audience)
	}
}

// detail is a cause whose text is formatted only when it is read.
type detail struct {
	constant                   *Error
	expected                   *expectation
	said                       *Unverified
	now                        instant
	expires, notBefore, issued instant
	tokenUse, tokenType, typ   string
	marks                      tokenMark
	claims                     *claims      // of a JWT without evidence of an access token
	shown                      string       // in place of claims, for an answer
	header                     *header      // of a JWT whose alg or signature is refused
	keys                       *keySnapshot // the keys that it was checked with
}

func (d *detail) clone() {
	if d.claims != nil {
		d.shown, d.claims = d.expected.profile.useText(d.claims), nil
	}
	d.tokenUse, d.tokenType, d.typ = strings.Clone(d.tokenUse), strings.Clone(d.tokenType), strings.Clone(d.typ)
}

// Unwrap returns the constant cause.
func (d *detail) Unwrap() error { return d.constant.Err }

// Error returns a text with the setting that would help, what was expected and
// what came instead.
func (d *detail) Error() string {
	x := d.expected
	text := d.constant.Err.Error() + ": "
	switch d.constant {
	case errClaimsIssuer:
		return text + d.issuerText()
	case errClaimsAudience:
		if x.profile.ClientAsAudience && len(d.said.Audiences) == 0 {
			return text + fmt.Sprintf("%s.Audiences is %s, unverified client id %q; the profile %s takes the client for the audience",
				x.config, listed(x.audiences), d.said.ClientID, x.profile.title())
		}
		text += fmt.Sprintf("%s.Audiences is %s, unverified aud %s", x.config, listed(x.audiences), listed(d.said.Audiences))
		if len(d.said.Audiences) == 0 && x.keys == nil {
			text += "; for an issuer that never writes it there is IntrospectionConfig.InsecureAnyAudience"
		}
		return text
	case errHeaderAlg:
		return text + fmt.Sprintf("JWTConfig.Algorithms is %s, unverified alg %q", listed(x.algs.names()), cut(d.header.named))
	case errKeyUnknown, errSignature, errKeyWithdrawn:
		return text + d.keyText()
	case errHeaderTyp:
		return text + fmt.Sprintf("%s.Profile %s takes %s, unverified typ %q; an issuer that writes another needs its own profile",
			x.config, x.profile.title(), listed(x.profile.typesText()), d.said.Type)
	case errClaimsUse:
		return text + d.useText()
	case errClaimsClient, errClaimsIdentity:
		return text + fmt.Sprintf("%s.Profile %s reads the client id from %s, unverified sub %q",
			x.config, x.profile.title(), x.profile.clientText(), d.said.Subject)
	case errClaimsNotYet:
		return text + fmt.Sprintf("unverified nbf %s, iat %s; now %s, %s.Leeway %v: are the clocks apart?",
			timeText(d.notBefore, d.now), timeText(d.issued, d.now), timeText(d.now, d.now), x.config, x.leeway)
	default:
		if d.constant.Kind == DependencyFault {
			return text + d.keyText()
		}
		return text + fmt.Sprintf("unverified exp %s; now %s, %s.Leeway %v", timeText(d.expires, d.now), timeText(d.now, d.now), x.config, x.leeway)
	}
}

func (d *detail) issuerText() string {
	x, hint := d.expected, ""
	for _, issuer := range x.issuers {
		if d.said.Issuer != issuer && strings.TrimSuffix(d.said.Issuer, "/") == strings.TrimSuffix(issuer, "/") {
			hint = "; they differ by the slash at the end alone"
		}
	}
	if x.config == "" && d.said.Issuer == "" { // as in a JWT-SVID
		return fmt.Sprintf("the verifier's are %s, unverified iss absent or empty, sub %q", listed(x.issuers), d.said.Subject)
	}
	if x.config == "" {
		return fmt.Sprintf("the verifier's are %s, unverified iss %q%s", listed(x.issuers), d.said.Issuer, hint)
	}
	if x.profile.TrustDomain {
		return fmt.Sprintf("%s.Issuer is %q, unverified iss %q, sub %q (Profile.TokenIssuer may name another iss)",
			x.config, x.issuers[0], d.said.Issuer, d.said.Subject)
	}
	return fmt.Sprintf("%s.Issuer is %q, unverified iss %q%s", x.config, x.issuers[0], d.said.Issuer, hint)
}

// useText describes the evidence against an access token, or that there is none
// for it.
func (d *detail) useText() string {
	x := d.expected
	prefix := fmt.Sprintf("%s.Profile %s: ", x.config, x.profile.title())
	for _, claim := range []struct{ name, value string }{{"token_use", d.tokenUse}, {"token_type", d.tokenType}, {"typ", d.typ}} {
		if !saysAccessToken(claim.value) {
			return prefix + fmt.Sprintf("unverified claim %s %q is another kind of token's", claim.name, claim.value)
		}
	}
	if marks := d.marks &^ x.profile.tolerated; marks != 0 {
		return prefix + "the unverified claims have " + marks.String() + ", which an ID or logout token has (Profile.Tolerated)"
	}
	if d.claims != nil {
		return prefix + fmt.Sprintf("unverified typ %q, ", d.said.Type) + x.profile.useText(d.claims)
	}
	return prefix + d.shown
}

// keyText describes which key the token names, and where that key was sought.
func (d *detail) keyText() string {
	text := "unverified kid absent"
	if d.header.hasKid {
		text = "unverified kid " + quoted(d.header.kid)
	}
	text += ", alg " + quoted(d.header.named)
	if d.keys == nil {
		return text
	}
	text += "; the keys at " + place(d.keys.from)
	var kids []string
	for _, key := range d.keys.published {
		if key.kid != "" {
			kids = append(kids, key.kid)
		}
	}
	if len(kids) == 0 {
		return text + " have no kid"
	}
	return text + " have the kids " + listed(kids)
}

// String returns the names of the claims, separated by commas.
func (m tokenMark) String() string {
	var names []string
	for i, name := range []string{"nonce", "at_hash", "c_hash", "s_hash", "events"} {
		if m&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

func (p *profile) typesText() []string {
	types := slices.Clone(p.accepted)
	if p.untyped {
		types = append(types, "")
	}
	return types
}

func (p *profile) clientText() string {
	switch {
	case p.TrustDomain:
		return "the path of sub"
	case p.ClientID == nil:
		return "client_id"
	}
	var names []string
	for _, path := range p.ClientID {
		names = append(names, strings.Join(path, "."))
	}
	return strings.Join(names, ", ")
}

// listed returns the first few values, quoted.
func listed(values []string) string {
	if len(values) == 0 {
		return "absent"
	}
	quoted := make([]string, 0, maxExpected)
	for _, v := range values[:min(len(values), maxExpected)] {
		quoted = append(quoted, strconv.Quote(cut(v)))
	}
	text := strings.Join(quoted, ", ")
	if len(values) > maxExpected {
		text += fmt.Sprintf(" and %d more", len(values)-maxExpected)
	}
	return text
}

// timeText returns a time and its distance from now.
func timeText(t, now instant) string {
	if !t.present() {
		return "absent"
	}
	text := t.time().UTC().Format(time.RFC3339)
	switch skew := (time.Duration(t-now) * time.Microsecond).Round(time.Second); {
	case skew > 0:
		text += fmt.Sprintf(" (in %v)", skew)
	case skew < 0:
		text += fmt.Sprintf(" (%v ago)", -skew)
	}
	return text
}
