package verify

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/usher-auth/usher/credentials/internal/authn"
	"github.com/usher-auth/usher/internal/httpx"
)

// maxAnswer bounds an introspection answer, in bytes.
const maxAnswer = 64 << 10

// post asks about a token (RFC 7662 §2.1) and returns the body of the answer.
// Redirects are not followed: they would post the token again, to any server
// that the answer names. A request that was lost because a connection was
// closed is made once more, which isn't counted as another request.
func (in *Introspection) post(ctx context.Context, token string) (string, error) {
	var res *http.Response
	var ours error // no request could be made
	err := httpx.Send(ctx, in.client, func(attempt context.Context) error {
		var req *http.Request
		if req, ours = in.request(ctx, token); ours != nil {
			return ours
		}
		var err error
		res, err = in.client.Do(req.WithContext(attempt)) //nolint:bodyclose // closed below
		return err
	})
	if ours != nil {
		return "", ours
	}
	if err != nil {
		return "", transportError(in.asked, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", newStatusError(res)
	}
	body, err := httpx.Read(res.Body, maxAnswer)
	if errors.Is(err, httpx.ErrTooLarge) {
		return "", in.noVerdict("longer than 64 KiB")
	}
	if err != nil {
		return "", bodyError(in.asked, err)
	}
	return strings.TrimPrefix(string(body), byteOrderMark), nil
}

// request returns one introspection request, with its own client authentication.
func (in *Introspection) request(ctx context.Context, token string) (*http.Request, error) {
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	header := http.Header{}
	if err := authn.Apply(ctx, in.auth, in.clientID, in.endpoint, form, header); err != nil {
		return nil, &authError{err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, in.endpoint.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, &fetchError{what: in.asked + ": the URL can't be used", config: true}
	}
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	header.Set("Accept", "application/json")
	req.Header = header
	return req, nil
}

// authError is a failure to make this server's own credentials, such as a secret
// that can't be read. It is not the endpoint's fault.
type authError struct{ err error }

func (e *authError) Error() string {
	text := "introspection: this server's own credentials can't be made: check IntrospectionConfig.Auth"
	if known := (*authn.Error)(nil); errors.As(e.err, &known) {
		text += ": " + known.Text // constant
	}
	if file := (*fs.PathError)(nil); errors.As(e.err, &file) {
		text += ": " + quoted(file.Path)
	}
	return text
}

func (e *authError) Unwrap() error { return e.err }

// errAnswer is the error for an answer that is no verdict. It is the endpoint's
// fault, never the token's.
const errAnswer = fault("introspection: the answer is malformed or too large")

// answerError describes what is wrong with an answer, in this package's own words.
type answerError struct{ text string }

func (in *Introspection) noVerdict(what string) error {
	return &answerError{in.asked + ": the answer is " + what}
}

func (e *answerError) Error() string { return e.text }

// Unwrap returns the constant cause.
func (e *answerError) Unwrap() error { return errAnswer }

// verdict reads an answer (RFC 7662 §2.2) to a request made at the time asked. For a
// token that was verified locally, local has its claims; otherwise it is nil.
//
// The member active is judged first. The literal false, written once in a JSON
// object, refuses the token, whatever the object's other members hold. Only the
// literal true makes a token active, and then the whole object is read
// strictly; null counts as an absent member, but is no [Evidence] of absence. Any
// other answer, in particular one that is no JSON object or has trailing data, is no
// verdict but an outage.
func (in *Introspection) verdict(token, text string, local *claims, asked time.Time) (*cached, error) {
	active, text, nulls := activeMember(text)
	switch active {
	case "true":
	case "false":
		return in.refuse(token, local, in.notGood), nil
	case "":
		return nil, in.noVerdict("not one well-formed JSON object with one member active, none of them repeated")
	default:
		return nil, in.noVerdict("malformed: the member active is " + jsonType(active) + ", not true or false")
	}
	c, refused := decodeClaims(text)
	if refused == nil {
		c.nulls = nulls
		return in.judge(token, c, local, asked)
	}
	switch refused.base() {
	case errClaimsJSON, errClaimsMember, errClaimsType:
		return nil, in.noVerdict("malformed: " + refused.Err.Error())
	default: // a binding that can't be verified, an actor chain without end
		return in.refuse(token, local, refused), nil
	}
}

// jsonType returns the name of the type of a JSON text.
func jsonType(raw string) string {
	switch raw[0] {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return raw
	case 'n':
		return "null"
	default:
		return "a number"
	}
}

// activeMember returns the value of the one member active, as JSON text, the
// answer without its null members, and their names. It returns nothing if there
// isn't exactly one active in a well-formed object. If active is false, another
// member may be there twice, since that can't make the token active.
func activeMember(text string) (active, rest string, nulls []string) {
	s := scanner{src: text, left: maxJSONMembers, lax: true}
	members, err := s.object(make([]member, 0, 16))
	if err != nil && !errors.Is(err, errJSONDuplicate) {
		return "", "", nil
	}
	found := 0
	for i := range members {
		switch m := &members[i]; {
		case m.name == "active":
			active = m.value
			found++
		case m.value == "null":
			nulls = append(nulls, strings.Clone(m.name))
		}
	}
	if found != 1 || err != nil && active != "false" {
		return "", "", nil
	}
	if len(nulls) > 0 {
		text = withoutNulls(members)
	}
	return active, text, nulls
}

// withoutNulls returns an object without its members that are null.
func withoutNulls(members []member) string {
	var b strings.Builder
	for i := range members {
		m := &members[i]
		// A name that imitates a registered one is refused by the strict reader.
		if m.value == "null" && !imitates(m.name, registeredClaims) {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return "" // not reached: a string that was read as JSON can be written
		}
		b.Write(name)
		b.WriteByte(':')
		b.WriteString(m.value)
	}
	return "{" + b.String() + "}"
}

func (in *Introspection) refuse(token string, local *claims, refused *Error) *cached {
	return remember(fingerprint(token), instantOf(time.Now().Add(in.negative)), remembered{refused: refused, local: local != nil})
}

// judge decides on the answer about an active token. The cache entry's lifetime
// begins when the request was made, and never extends beyond exp: after exp, the
// leeway applies only to a fresh answer.
func (in *Introspection) judge(token string, c, local *claims, asked time.Time) (*cached, error) {
	now := time.Now()
	if refused := in.check(token, c, local, instantOf(now)); refused != nil {
		return in.refuse(token, local, in.expected.refuse(refused, nil, c, instantOf(now))), nil
	}
	until, validUntil := instantOf(asked.Add(in.positive)), instantOf(now.Add(in.positive))
	if c.expires.present() {
		validUntil = c.expires.add(in.leeway)
		until = min(until, c.expires)
	}
	p, err := in.id.principal(c, validUntil.time())
	return remember(token, until, remembered{principal: p, local: local != nil}), err
}

// check applies the tests that active doesn't cover: that the answer is about this
// token, and that the token is an access token, for this server, and valid by this
// server's clock.
func (in *Introspection) check(token string, c, local *claims, now instant) *Error {
	profile := in.id.profile
	if c.hasIssuer && c.issuer != in.id.issuer {
		return errClaimsIssuer
	}
	if refused := profile.read(c); refused != nil {
		return refused
	}
	if refused := c.fit(token, local); refused != nil {
		return refused
	}
	var proved *header // set for a verified JWT, whose answer needn't prove this again
	if local != nil {
		proved = &header{typ: typeAccessToken, hasTyp: true}
	}
	switch {
	case len(in.audiences) > 0 && !profile.isFor(c, in.audiences):
		return errClaimsAudience
	case c.subject == "" && c.clientID == "":
		return errClaimsIdentity
	case !profile.isAccessToken(proved, c):
		return errClaimsUse
	case c.notBefore.present() && now.add(in.leeway) < c.notBefore, c.issued.present() && now.add(in.leeway) < c.issued:
		return errClaimsNotYet
	case c.expires.present() && now >= c.expires.add(in.leeway):
		return errExpired
	default:
		return nil
	}
}

// fit combines the claims of the answer and of the token itself. They must not
// contradict each other, and claims that the answer leaves out (RFC 7662 §2.2
// requires only active) are taken from a token that was verified locally. Of any
// other JWT only the binding is read. The binding is not verified, but it can only
// make the token refused: without it, an endpoint that leaves cnf out would turn a
// bound token into a bearer token.
func (c *claims) fit(token string, local *claims) *Error {
	if local == nil {
		if !isJWT(token) {
			return nil
		}
		own, refused := ownConfirmation(token)
		if refused != nil {
			return refused
		}
		return c.bind(own)
	}
	if differ(local.subject, c.subject) || differ(local.clientID, c.clientID) || differ(local.tokenID, c.tokenID) || c.otherActor(local.actor) {
		return errMismatch
	}
	c.subject, c.clientID = local.subject, local.clientID
	if !c.hasAudience {
		c.audiences, c.hasAudience = local.audiences, local.hasAudience
	}
	if !c.expires.present() {
		c.expires = local.expires
	}
	return c.bind(local.confirmation)
}

// differ reports whether an answer has another value than the token.
func differ(token, answer string) bool { return answer != "" && answer != token }

// otherActor reports whether the answer has another actor for the subject than the
// token.
func (c *claims) otherActor(token *Actor) bool {
	answer := c.actor
	if answer == nil || token == nil {
		return answer != nil
	}
	return differ(token.subject, answer.subject) || differ(token.clientID, answer.clientID) || differ(token.issuer, answer.issuer)
}

// bind adopts the token's own binding.
func (c *claims) bind(own confirmation) *Error {
	if !own.bound {
		return nil
	}
	if c.confirmation.bound && c.confirmation != own {
		return errMismatch
	}
	c.confirmation = own
	return nil
}

// ownConfirmation reads cnf from the payload of a JWT, strictly, since a payload
// that can't be read may contain any cnf.
func ownConfirmation(token string) (confirmation, *Error) {
	parts, refused := split(token, len(token))
	if refused != nil {
		return confirmation{}, refused
	}
	text, refused := decodePart(parts.payload())
	if refused != nil {
		return confirmation{}, refused
	}
	members, err := decodeObject(text, make([]member, 0, 16))
	if err != nil {
		return confirmation{}, errClaimsJSON
	}
	var own confirmation
	for i := range members {
		switch m := &members[i]; {
		case m.name == "cnf":
			if own, refused = confirmationValue(m.value); refused != nil {
				return confirmation{}, refused
			}
		case strings.EqualFold(m.name, "cnf"):
			return confirmation{}, errClaimsMember
		}
	}
	return own, nil
}
