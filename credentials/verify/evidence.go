package verify

import (
	"fmt"
	"slices"
	"strings"
)

// useText describes which evidence of another token holds, or what each
// evidence of an access token lacks. The claims are not verified.
func (p *profile) useText(c *claims) string {
	for _, e := range p.OtherToken {
		if !e.holds(c) {
			continue
		}
		all := make([]string, 0, maxExpected)
		for i := range e[:min(len(e), maxExpected)] {
			all = append(all, e[i].text(c, "unverified "))
		}
		return "OtherToken holds: " + strings.Join(all, ", ")
	}
	return "no AccessToken holds: " + lacks(p.AccessToken, c, "unverified ")
}

// lacks describes, for each evidence, the first condition that doesn't hold.
func lacks(list []Evidence, c *claims, mark string) string {
	var all []string
	for _, e := range list {
		if len(all) == maxExpected {
			all = append(all, fmt.Sprintf("%d more", len(list)-maxExpected))
			break
		}
		if at := slices.IndexFunc(e, func(condition Condition) bool { return !condition.holds(c) }); at >= 0 {
			all = append(all, e[at].text(c, mark))
		}
	}
	if len(all) == 0 {
		return "nothing, for there is none"
	}
	return strings.Join(all, ", or ")
}

// text describes what a condition requires and, in parentheses, the claim's
// value.
func (c *Condition) text(in *claims, mark string) string {
	wants := cut(strings.Join(c.Claim, "."))
	switch c.Test {
	case Present:
	case Absent:
		wants = "no " + wants
	case Equals:
		wants += " " + c.valuesText(in)
	case Differs:
		wants += " other than " + c.valuesText(in)
	case HasPrefix:
		wants += " beginning with " + c.valuesText(in)
	case Contains:
		wants += " with " + c.valuesText(in)
	default:
		wants += " like " + c.valuesText(in)
	}
	return wants + " (" + in.there(c.Claim, mark) + ")"
}

func (c *Condition) valuesText(in *claims) string {
	var all []string
	for _, value := range c.Values[:min(len(c.Values), maxExpected)] {
		if in.clientID != "" {
			value = strings.ReplaceAll(value, clientPlaceholder, in.clientID)
		}
		all = append(all, quoted(value))
	}
	return strings.Join(all, " or ")
}

// there describes the value of a claim.
func (c *claims) there(path Path, mark string) string {
	raw, refused := c.find(path)
	switch {
	case refused != nil:
		return "it can't be read"
	case raw == "" && slices.Contains(c.nulls, path[0]):
		return "null"
	case raw == "":
		return "absent"
	}
	if text, ok := stringValue(raw); ok {
		return mark + quoted(text)
	}
	if names, ok := stringsValue(raw); ok && len(names) > 0 {
		return mark + listed(names)
	}
	return jsonType(raw)
}

// These are the names that other issuers than those of RFC 9068 give to a
// service, although they may write at+jwt.
const (
	auth0Service    = "@clients"
	keycloakService = "service-account-"
)

// serviceElsewhere returns why claims that are read according to RFC 9068 are
// probably a service's, of an issuer that identifies services differently, or
// "".
func (c *claims) serviceElsewhere() string {
	if c.clientID != "" && c.subject == c.clientID+auth0Service {
		return "sub " + quoted(c.subject) + " is how Auth0 names a service: set verify.Auth0RFC9068()"
	}
	raw, refused := c.find(Path{"preferred_username"})
	if refused != nil {
		return ""
	}
	name, _ := stringValue(raw)
	if len(name) >= len(keycloakService) && strings.EqualFold(name[:len(keycloakService)], keycloakService) {
		return "preferred_username " + quoted(name) + " is how Keycloak names a service account: set verify.Keycloak()"
	}
	return ""
}

// kindText describes what would have proved a kind, and what the claims have
// instead.
func (p *profile) kindText(c *claims) string {
	text := "profile " + cut(p.title()) + " "
	if p.Service == nil && p.User == nil {
		if other := c.serviceElsewhere(); other != "" && c.clientID != "" {
			return text + "would take it for a user's, but " + other
		}
		return text + fmt.Sprintf("found neither: a service's sub equals its client id, a user's differs from it; sub (%s), client id in %s (%s)",
			orAbsent(c.subject), p.clientText(), orAbsent(c.clientID)) + advice
	}
	service, user := anyHolds(p.Service, c), anyHolds(p.User, c)
	switch {
	case service && user && c.clientID != "":
		return text + "found both: its Service and its User hold"
	case service:
		return text + "found neither: its Service holds, but there is no client id in " + p.clientText() + advice
	default:
		return text + "found neither: Service wants " + lacks(p.Service, c, "") + "; User wants " + lacks(p.User, c, "") + advice
	}
}

const advice = "; have the issuer write it (issuers.md), or set another verify.Profile"

func orAbsent(value string) string {
	if value == "" {
		return "absent"
	}
	return quoted(value)
}
