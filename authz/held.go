package authz

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// held is a condition on what the caller's token holds, beside its scopes.
type held struct {
	kind heldKind
	// name is the role, the group or the permission; path is the claim's.
	name string
	path []string
	any  []string
}

type heldKind uint8

const (
	heldNothing heldKind = iota
	heldRole
	heldGroup
	heldPermission
	heldClaim
)

// by reports whether the caller's token holds it.
func (h *held) by(principal Principal) bool {
	switch h.kind {
	case heldRole:
		return principal.HasRole(h.name)
	case heldGroup:
		return principal.InGroup(h.name)
	case heldPermission:
		return principal.HasPermission(h.name)
	case heldClaim:
		claim, ok := principal.Claim(h.path...)

		return ok && h.matches(claim)
	case heldNothing:
		return false
	default:
		return false
	}
}

// matches reports whether a claim is one of the values, or a list that has one.
func (h *held) matches(claim any) bool {
	switch claim := claim.(type) {
	case string:
		return slices.Contains(h.any, claim)
	case json.Number:
		return slices.Contains(h.any, claim.String())
	case bool:
		return slices.Contains(h.any, strconv.FormatBool(claim))
	case []any:
		return slices.ContainsFunc(claim, func(element any) bool {
			_, nested := element.([]any)

			return !nested && h.matches(element)
		})
	default:
		return false
	}
}

// String returns the condition as it is written in a rule, on one line.
func (h *held) String() string {
	switch h.kind {
	case heldRole:
		return "has_role " + h.name
	case heldGroup:
		return "in_group " + h.name
	case heldPermission:
		return "permission " + h.name
	case heldClaim:
		return "has_claim " + strings.Join(h.path, ".") + " " + quotedAll(h.any)
	case heldNothing:
		return "never"
	default:
		return "never"
	}
}

// unheld is why a condition on the token isn't met.
type unheld struct{ of *held }

// Error returns the condition.
func (u unheld) Error() string { return u.of.String() + ": the token lacks it" }

func (c *conditions) role(rule *authzv1.HasRole, path string) *node {
	return c.holds(&held{kind: heldRole, name: rule.GetRole()}, "role", path+".role")
}

func (c *conditions) inGroup(rule *authzv1.InGroup, path string) *node {
	return c.holds(&held{kind: heldGroup, name: rule.GetGroup()}, "group", path+".group")
}

func (c *conditions) claim(rule *authzv1.HasClaim, path string) *node {
	h := &held{kind: heldClaim, path: strings.Split(rule.GetPath(), "."), any: rule.GetAnyOf()}
	switch {
	case rule.GetPath() == "":
		c.site.fail(path+".path", -1, "the path is empty", "write the claim's name, or member.member for one within a claim")
	case slices.Contains(h.path, ""):
		c.site.fail(path+".path", -1, "the claim's path has an empty member", "write it as name or name.member")
	default:
		// The claims that OpenID Connect lets issuers name by a URL of theirs.
		if _, after, isURL := strings.Cut(rule.GetPath(), "://"); isURL && strings.Contains(after, ".") {
			at := len(rule.GetPath()) - len(after) + strings.IndexByte(after, '.')
			c.site.fail(path+".path", at, "the claim's name has a dot, and a path is of members joined by dots, so it would never be found",
				"write an expression, as in \"'a' in caller.claims['https://example.com/roles']\", or have the issuer name the claim otherwise")
		}
	}
	if len(h.any) == 0 {
		c.site.fail(path+".any_of", -1, "no value is listed, so no caller can pass", "write the values that may pass")
	}
	for i, value := range h.any {
		if value == "" {
			c.site.fail(path+".any_of"+index(i), -1, "the value is empty", "write a value, or leave it out")
		}
	}
	c.oneAuthority("a claim", path)

	return c.leafNode(&node{kind: nodeHeld, held: h})
}

// holds compiles a condition on a name that the token must hold.
func (c *conditions) holds(h *held, what, path string) *node {
	switch at := strings.IndexFunc(h.name, func(r rune) bool { return r < ' ' || r == 0x7f }); {
	case h.name == "":
		c.site.fail(path, -1, "the "+what+" is empty", "write a "+what)
	case strings.HasPrefix(h.name, "{"):
		c.site.fail(path, 0, "a "+what+" is literal: it reads no field", "write one "+what+", without braces")
	case h.name == "*":
		c.site.fail(path, 0, "a "+what+" is compared whole: \"*\" is no pattern", "write a "+what)
	case at >= 0:
		c.site.fail(path, at, "a "+what+" can't hold a control character", "write one "+what)
	}
	c.oneAuthority("a "+what, path)

	return c.leafNode(&node{kind: nodeHeld, held: h})
}

// oneAuthority reports a condition on what an issuer says of a caller, where the rule
// doesn't name the issuers whose word counts: another issuer could say the same of
// anyone.
func (c *conditions) oneAuthority(what, path string) {
	if c.issuers.one() || c.named || c.unlisted {
		return
	}
	problem, fix := what+" of two issuers may be equal, and several are admitted", "name the issuers whose word counts in access_token.issuers"
	if len(c.issuers) == 0 {
		problem, fix = what+" of two issuers may be equal, and the issuers aren't known", fix+", or "+fixIssuers
	}
	c.site.fail(path, -1, problem, fix)
}
