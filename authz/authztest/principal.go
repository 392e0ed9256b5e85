package authztest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/usher-auth/usher/authz"
)

// Issuer is the issuer of [User] and [Service], and its short name.
const Issuer = "test"

// Claims are claims of a token by their names (RFC 9068 §2.2), such as "scope",
// with its scopes separated by spaces, "acr", or any of the issuer's own. A
// [time.Time], as for "auth_time" and "exp", becomes the number that a token has.
// The issuer's short name is "iss".
type Claims map[string]any

// Principal is a caller of a test: an [authz.Principal], as the claims of its token
// describe it. Package interceptor/interceptortest makes calls as one. It is
// immutable and safe for concurrent use.
type Principal struct {
	service bool
	// text is the claims as JSON, as a token has them; claims are the decoded text.
	text   []byte
	claims Claims
	scopes []string
	// roles, groups and permissions are the claims of these names.
	roles, groups, permissions []string
}

var _ authz.Principal = (*Principal)(nil)

// User returns a user who calls through the client "test-client". More adds claims or
// replaces those of the user; a nil value removes a claim. User panics on claims that
// no token can have.
func User(subject string, more ...Claims) *Principal {
	return newPrincipal(false, Claims{"sub": subject, "client_id": "test-client"}, more)
}

// Service returns a service that acts for itself: the client id is also its sub.
// More is as for [User].
func Service(clientID string, more ...Claims) *Principal {
	return newPrincipal(true, Claims{"sub": clientID, "client_id": clientID}, more)
}

func newPrincipal(service bool, claims Claims, more []Claims) *Principal {
	claims["iss"] = Issuer
	for _, further := range more {
		maps.Copy(claims, further)
	}
	for name, value := range claims {
		at, isTime := value.(time.Time)
		said, isText := value.(string)
		switch {
		case !utf8.ValidString(said):
			// JSON would make one text of several.
			panic(fmt.Sprintf("authztest: the claim %q isn't valid UTF-8", name))
		case value == nil:
			delete(claims, name)
		case isTime:
			claims[name] = at.Unix()
		case !isText && slices.Contains([]string{"iss", "sub", "client_id", "scope", "acr"}, name):
			panic(fmt.Sprintf("authztest: the claim %q is a %T, and must be a string", name, value))
		}
	}
	text, err := json.Marshal(claims)
	if err != nil {
		panic("authztest: claims: " + err.Error())
	}

	p := &Principal{service: service, text: text}
	p.claims = p.Claims()
	p.scopes = strings.Fields(p.claim("scope"))
	p.roles, p.groups, p.permissions = p.list("roles"), p.list("groups"), p.list("permissions")

	return p
}

// Claims returns a copy of all claims. Numbers are json.Number.
func (p *Principal) Claims() Claims {
	decoder := json.NewDecoder(bytes.NewReader(p.text))
	decoder.UseNumber()
	var claims Claims
	if err := decoder.Decode(&claims); err != nil {
		panic("authztest: claims: " + err.Error()) // they were encoded by newPrincipal
	}

	return claims
}

func (p *Principal) claim(name string) string {
	text, _ := p.claims[name].(string)

	return text
}

// list returns the texts of a claim that is an array, and panics if it isn't one of
// texts.
func (p *Principal) list(name string) []string {
	value, ok := p.claims[name]
	if !ok {
		return nil
	}
	items, ok := value.([]any)
	texts := make([]string, len(items))
	for i := range items {
		var isText bool
		texts[i], isText = items[i].(string)
		ok = ok && isText
	}
	if !ok {
		panic(fmt.Sprintf("authztest: the claim %q must be a list of strings", name))
	}

	return texts
}

// Issuer returns the issuer.
func (p *Principal) Issuer() string { return p.claim("iss") }

// IssuerName returns the issuer's short name, which is the issuer.
func (p *Principal) IssuerName() string { return p.claim("iss") }

// Subject returns the sub.
func (p *Principal) Subject() string { return p.claim("sub") }

// ClientID returns the client id.
func (p *Principal) ClientID() string { return p.claim("client_id") }

// HasScope reports whether the token has the scope.
func (p *Principal) HasScope(scope string) bool { return slices.Contains(p.scopes, scope) }

// HasRole reports whether the claim "roles" has the role.
func (p *Principal) HasRole(role string) bool { return slices.Contains(p.roles, role) }

// InGroup reports whether the claim "groups" has the group.
func (p *Principal) InGroup(group string) bool { return slices.Contains(p.groups, group) }

// HasPermission reports whether the claim "permissions" has the permission.
func (p *Principal) HasPermission(permission string) bool {
	return slices.Contains(p.permissions, permission)
}

// ACR returns the acr claim.
func (p *Principal) ACR() string { return p.claim("acr") }

// AuthTime returns when the user authenticated, to the second. It is zero if the
// token has no auth_time.
func (p *Principal) AuthTime() time.Time {
	number, _ := p.claims["auth_time"].(json.Number)
	if at, err := number.Int64(); err == nil {
		return time.Unix(at, 0)
	}

	return time.Time{}
}

// IsService reports whether [Service] made it.
func (p *Principal) IsService() bool { return p.service }

// IsUser reports whether [User] made it.
func (p *Principal) IsUser() bool { return !p.service }

// Claim returns a copy of the claim at a path of member names. Numbers are
// json.Number.
func (p *Principal) Claim(path ...string) (any, bool) {
	var at any = map[string]any(p.Claims())
	for _, name := range path {
		members, ok := at.(map[string]any)
		if !ok {
			return nil, false
		}
		if at, ok = members[name]; !ok {
			return nil, false
		}
	}

	return at, len(path) > 0
}
