package verify

import (
	"fmt"
	"slices"
	"strings"
)

// clientPlaceholder stands for the token's client id in a condition's value.
const clientPlaceholder = "{$client_id}"

func (c *Condition) check() error {
	if !c.Claim.valid() {
		return fmt.Errorf("Claim: empty, has an empty name or is longer than %d", maxPathDepth)
	}
	switch c.Test {
	case Present, Absent:
		if len(c.Values) > 0 {
			return fmt.Errorf("%q: Values are of no use with Present and Absent", c.Claim)
		}
	case Equals, Differs, HasPrefix, Contains, EqualsFold:
		if len(c.Values) == 0 || slices.Contains(c.Values, "") {
			return fmt.Errorf("%q: Values: none, or one is empty", c.Claim)
		}
		for _, value := range c.Values {
			if strings.Contains(strings.ReplaceAll(value, clientPlaceholder, ""), "{$") {
				return fmt.Errorf("%q: Values: %q: the only placeholder is %s", c.Claim, value, clientPlaceholder)
			}
		}
	default:
		return fmt.Errorf("%q: Test is none of Present, Absent, Equals, EqualsFold, Differs, HasPrefix and Contains", c.Claim)
	}
	return nil
}

func anyHolds(list []Evidence, c *claims) bool {
	for _, e := range list {
		if e.holds(c) {
			return true
		}
	}
	return false
}

func (e Evidence) holds(c *claims) bool {
	for i := range e {
		if !e[i].holds(c) {
			return false
		}
	}
	return len(e) > 0
}

func (c *Condition) holds(in *claims) bool {
	raw, refused := in.find(c.Claim)
	if refused != nil {
		return false
	}
	switch c.Test {
	case Present:
		return raw != "" && raw != "null" && raw != `""`
	case Absent:
		return raw == "" && !slices.Contains(in.nulls, c.Claim[0])
	case Equals, EqualsFold, HasPrefix:
		text, ok := stringValue(raw)
		return ok && slices.ContainsFunc(c.Values, func(v string) bool { return c.fits(text, v, in.clientID) })
	case Differs:
		text, ok := stringValue(raw)
		return ok && text != "" && !slices.ContainsFunc(c.Values, func(v string) bool {
			return in.clientID == "" && strings.Contains(v, clientPlaceholder) || c.fits(text, v, in.clientID)
		})
	case Contains:
		whole, one := stringValue(raw) // aud is one name, which may have spaces
		names, ok := scopeValue(raw)
		return ok && slices.ContainsFunc(c.Values, func(v string) bool {
			if one && c.fits(whole, v, in.clientID) {
				return true
			}
			return slices.ContainsFunc(names, func(name string) bool { return c.fits(name, v, in.clientID) })
		})
	default:
		return false
	}
}

func (c *Condition) fits(text, value, clientID string) bool {
	if strings.Contains(value, clientPlaceholder) {
		if clientID == "" {
			return false
		}
		value = strings.ReplaceAll(value, clientPlaceholder, clientID)
	}
	switch c.Test {
	case HasPrefix:
		return len(text) > len(value) && strings.HasPrefix(text, value)
	case EqualsFold:
		return strings.EqualFold(text, value)
	default:
		return text == value
	}
}
