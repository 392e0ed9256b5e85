package explain

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
)

// Anonymous is the caller without a credential.
const Anonymous = "none"

const (
	// maxValues is how many scopes, roles, groups, permissions and claims a caller has.
	maxValues = 200
	// maxValue bounds each, in bytes.
	maxValue = 4096
)

// Caller is the caller of the call to explain, as its token would describe it.
type Caller struct {
	// As is the kind and the subject, "service:reader" (a service's client id) or
	// "user:alice" (a user's sub), or [Anonymous]. Required.
	As string `json:"as" jsonschema:"who calls: service:CLIENT_ID, user:SUB, or none for a call without a token"`
	// Client is the client that a user's token was issued to. Optional. Default "client".
	Client string `json:"client,omitempty" jsonschema:"client id that a user's token was issued to"`
	// Issuer is the short name of the token's issuer. Optional if the server trusts one.
	Issuer string `json:"issuer,omitempty" jsonschema:"short name of the token's issuer; needed only if the server trusts several"`
	// Scopes, Roles, Groups and Permissions are what the token has. Optional.
	Scopes      []string `json:"scopes,omitempty"      jsonschema:"scopes of the token"`
	Roles       []string `json:"roles,omitempty"       jsonschema:"roles of the token"`
	Groups      []string `json:"groups,omitempty"      jsonschema:"groups of the token"`
	Permissions []string `json:"permissions,omitempty" jsonschema:"permissions of the token"`
	// Claims are further claims by their names. Optional.
	Claims map[string]any `json:"claims,omitempty" jsonschema:"further claims of the token, by name"`
	// ACR is the authentication context class. Optional.
	ACR string `json:"acr,omitempty" jsonschema:"acr claim of the token"`
	// Age is how long ago the user authenticated, as in "5m". Optional. Default: the token
	// doesn't say.
	Age string `json:"age,omitempty" jsonschema:"how long ago the user authenticated, as in 5m; empty if the token doesn't say"`
}

// registered are the claims that other fields of a caller are.
var registered = []string{"iss", "sub", "client_id", "scope", "roles", "groups", "permissions", "acr", "auth_time"}

// principal returns the caller as a principal, nil for one without a credential.
func (c *Caller) principal(issuers []string, now time.Time) (principal authz.Principal, err error) {
	if c.As == Anonymous {
		return nil, nil //nolint:nilnil // a call without a credential has no principal
	}
	kind, id, _ := strings.Cut(c.As, ":")
	if id == "" || kind != "service" && kind != "user" {
		return nil, fmt.Errorf("the caller %.100q is neither service:ID, user:ID nor %s", c.As, Anonymous)
	}
	claims, err := c.claims(issuers, now)
	if err != nil {
		return nil, err
	}
	defer func() {
		// authztest panics on claims that no token can have.
		if recovered := recover(); recovered != nil {
			principal, err = nil, fmt.Errorf("the caller's claims: %v", strings.TrimPrefix(fmt.Sprint(recovered), "authztest: "))
		}
	}()
	if kind == "service" {
		if c.Client != "" && c.Client != id {
			return nil, errors.New("a service is its own client: leave the client out")
		}

		return authztest.Service(id, claims), nil
	}
	if c.Client == "" {
		claims["client_id"] = "client"
	} else {
		claims["client_id"] = c.Client
	}

	return authztest.User(id, claims), nil
}

func (c *Caller) claims(issuers []string, now time.Time) (authztest.Claims, error) {
	claims := authztest.Claims{}
	maps.Copy(claims, c.Claims)
	for _, name := range registered {
		if _, given := claims[name]; given {
			return nil, fmt.Errorf("the claim %s has a setting of its own", name)
		}
	}
	lists := map[string][]string{"scope": c.Scopes, "roles": c.Roles, "groups": c.Groups, "permissions": c.Permissions}
	total := len(claims)
	for name, values := range lists {
		total += len(values)
		for _, value := range values {
			if value == "" || len(value) > maxValue || !utf8.ValidString(value) || name == "scope" && strings.ContainsAny(value, " \t\r\n") {
				return nil, fmt.Errorf("a value of %s is empty, too long or not one word", name)
			}
		}
	}
	if total > maxValues {
		return nil, fmt.Errorf("the caller has more than %d scopes, roles, groups, permissions and claims", maxValues)
	}
	if text, err := json.Marshal(c.Claims); err != nil || len(text) > maxValues*maxValue {
		return nil, errors.New("the claims are too large, or not JSON")
	}
	for name, values := range lists {
		switch {
		case len(values) == 0:
		case name == "scope":
			claims[name] = strings.Join(values, " ")
		default:
			claims[name] = values
		}
	}
	if c.ACR != "" {
		claims["acr"] = c.ACR
	}
	if c.Age != "" {
		age, err := time.ParseDuration(c.Age)
		if err != nil || age < 0 {
			return nil, fmt.Errorf("the age %.100q isn't a duration like 5m", c.Age)
		}
		claims["auth_time"] = now.Add(-age)
	}
	issuer, err := c.issuer(issuers)
	if err != nil {
		return nil, err
	}
	claims["iss"] = issuer

	return claims, nil
}

// issuer returns the short name of the caller's issuer. One that the server doesn't trust
// is no error: the call is refused.
func (c *Caller) issuer(issuers []string) (string, error) {
	switch {
	case c.Issuer != "":
		return c.Issuer, nil
	case len(issuers) == 1:
		return issuers[0], nil
	default:
		return "", fmt.Errorf("the server trusts several issuers: name the caller's, one of %s", strings.Join(issuers, ", "))
	}
}
