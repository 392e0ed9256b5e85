package verify

import (
	"slices"
	"strings"
)

// maxPathDepth bounds a path. The claims of known issuers nest three levels.
const maxPathDepth = 8

func (path Path) valid() bool {
	return len(path) > 0 && len(path) <= maxPathDepth && !slices.Contains(path, "")
}

// find returns the JSON text of a claim, or an empty text if there is none. It
// refuses a member that looks like a name of the path, as it is refused at the top
// level, and a path through a value that isn't an object.
func (c *claims) find(path Path) (string, *Error) {
	members := c.members
	for i, name := range path {
		at := slices.IndexFunc(members, func(m member) bool { return m.name == name })
		if i > 0 && slices.ContainsFunc(members, func(m member) bool { return looksLike(m.name, path[i:i+1]) }) {
			return "", errClaimsMember
		}
		if at < 0 {
			return "", nil
		}
		raw := members[at].value
		if i == len(path)-1 {
			return raw, nil
		}
		nested, err := decodeObject(raw, nil)
		if err != nil {
			return "", wrongType(path[:i+1]...)
		}
		members = nested
	}
	return "", nil
}

// looksLike reports whether name differs from one of names only by case, by
// Unicode's simple case folding.
func looksLike(name string, names []string) bool {
	for _, n := range names {
		if name != n && strings.EqualFold(name, n) {
			return true
		}
	}
	return false
}
