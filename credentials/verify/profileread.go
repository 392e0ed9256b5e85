package verify

import (
	"strings"
	"time"
)

// read reads the claims that the profile names into the fields that the later steps
// use. It runs before the signature is checked; its work is bounded by the size of
// the claims and of the profile.
func (p *profile) read(c *claims) *Error {
	if c.authTimeText != "" {
		t, err := time.Parse(time.RFC3339, c.authTimeText)
		if !p.AuthTimeText || err != nil || t.Unix() < 0 {
			return wrongType("auth_time")
		}
		c.authTime = instantOf(t)
	}
	if p.plain {
		return nil
	}
	for i := range c.members {
		if looksLike(c.members[i].name, p.names) {
			return errClaimsMember
		}
	}
	if refused := p.readClient(c); refused != nil {
		return refused
	}
	if p.Scopes == nil {
		return nil
	}
	c.scopes, c.hasScope, c.hasScp = nil, false, false
	for _, path := range p.Scopes {
		raw, refused := c.find(path)
		if refused != nil {
			return refused
		}
		if raw == "" {
			continue
		}
		scopes, ok := scopeValue(raw)
		if !ok {
			return wrongType(path...)
		}
		if !c.hasScope {
			c.scopes, c.hasScope = scopes, true
		}
	}
	return nil
}

// readClient reads the client's id. A token with two that differ is refused.
func (p *profile) readClient(c *claims) *Error {
	id, found := "", false
	take := func(text string) bool {
		if found && text != id {
			return false
		}
		id, found = text, true
		return true
	}
	paths := p.ClientID
	if paths == nil {
		paths = rfc9068ClientID
	}
	for _, path := range paths {
		raw, refused := c.find(path)
		if refused != nil {
			return refused
		}
		if raw == "" {
			continue
		}
		text, ok := stringValue(raw)
		if !ok {
			return wrongType(path...)
		}
		if !take(text) {
			return errClaimsClient
		}
	}
	switch {
	case p.TrustDomain:
		path, ok := strings.CutPrefix(c.subject, p.issuer+"/")
		if !ok || !isSPIFFEPath(path) || len(c.subject) > maxSPIFFEID {
			return errClaimsIdentity
		}
		if !take(path) {
			return errClaimsClient
		}
	case p.SubjectPrefix != "":
		if rest, ok := strings.CutPrefix(c.subject, p.SubjectPrefix); ok && rest != "" {
			if strings.Contains(rest, "/") { // it would be another's once ":" is written so
				return errClaimsIdentity
			}
			if !take(strings.ReplaceAll(rest, ":", "/")) {
				return errClaimsClient
			}
		}
	}
	c.clientID = id
	return nil
}

var rfc9068ClientID = []Path{{"client_id"}}

// kind returns whether the token is a service's or a user's, by the profile's
// evidence alone.
func (p *profile) kind(c *claims) Kind {
	if p.Service == nil && p.User == nil {
		switch {
		case c.subject == "" || c.clientID == "":
			return KindUnclear
		case c.subject == c.clientID:
			return KindService
		case c.serviceElsewhere() != "":
			return KindUnclear
		default:
			return KindUser
		}
	}
	service, user := c.clientID != "" && anyHolds(p.Service, c), anyHolds(p.User, c)
	switch {
	case service == user: // neither is proved, or both are
		return KindUnclear
	case service:
		return KindService
	default:
		return KindUser
	}
}

// lists reads roles, groups and permissions from the claims that the profile names.
func (p *profile) lists(c *claims) {
	for _, list := range []struct {
		paths []Path
		names *[]string
	}{{p.Roles, &c.roles}, {p.Groups, &c.groups}, {p.Permissions, &c.permissions}} {
		if list.paths == nil {
			continue
		}
		var names []string
		for _, path := range list.paths {
			if raw, refused := c.find(path); refused == nil {
				names = append(names, looseStrings(raw)...)
			}
		}
		*list.names = distinct(names)
	}
}
