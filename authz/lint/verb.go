package lint

import (
	"slices"
	"strings"
	"unicode"
)

// verb is what a method does, by its name.
type verb struct {
	// word is the verb, as in "create".
	word string
	// noun is what it is done to, in snake case, as in "shared_documents".
	noun string
}

// The verbs that tell what a field is for. The lists are short on purpose: a verb that
// isn't here excuses nothing.
var (
	// makes are verbs of methods that make a new object whose id the caller may choose, and
	// adds those that may also name an object that exists.
	makes = []string{"create", "insert", "new"}
	adds  = []string{"add", "register", "import", "provision"}
	// lists are verbs of methods that return what matches a filter.
	lists = []string{"list", "search", "find", "query", "count", "lookup", "watch", "export", "aggregate"}
	// speaks are verbs of methods for which a name is only a word.
	speaks = []string{"search", "find", "query", "list", "lookup", "match", "suggest", "complete", "say", "greet", "echo", "validate"}
	// grants are verbs of methods that give or take another party's part in an object.
	grants = []string{"add", "remove", "invite", "share", "unshare", "assign", "unassign", "grant", "revoke", "transfer"}
	// parties are what those methods name the other party.
	parties = []string{"user", "member", "subject", "principal", "assignee", "recipient", "invitee", "grantee", "new_owner"}
	// filters are what the names of fields that hold a filter end with.
	filters = []string{"filter", "filters", "query", "criteria"}
	// prepositions end the noun.
	prepositions = []string{"to", "in", "into", "for", "from", "by", "of", "on", "with"}
)

// verbOf returns the verb of a method's name.
func verbOf(name string) verb {
	words := strings.Split(snake(name), "_")
	if len(words) > 1 && words[0] == "batch" {
		words = words[1:]
	}
	v := verb{word: words[0]}
	words = words[1:]
	if at := slices.IndexFunc(words, func(word string) bool { return slices.Contains(prepositions, word) }); at >= 0 {
		words = words[:at]
	}
	v.noun = strings.Join(words, "_")

	return v
}

// is reports whether a stem, as in "document", names what the verb is about.
func (v verb) is(stem string) bool {
	stem = strings.TrimPrefix(stem, "new_")
	if stem == "" {
		return false
	}
	for _, noun := range []string{v.noun, singular(v.noun)} {
		if stem == noun || strings.HasSuffix(noun, "_"+stem) {
			return true
		}
	}

	return false
}

// excuses reports whether a field that looks like an identifier is, by the method's verb
// and the field's place, none of an object that the rule should read.
func (v verb) excuses(f *idField, read *readSet, anyRead bool) bool {
	nested := f.parent != ""
	switch {
	case f.kind == idName && !f.reference && v.saysName(f), v.makes(f, anyRead):
		return true
	case f.reference:
		return false
	case nested && read.owner(f.path):
		return true // a property of an object that the rule reads
	case !anyRead:
		return false
	case slices.Contains(lists, v.word) && (f.optional || isFilter(f.parentName)):
		return true
	default:
		return slices.Contains(grants, v.word) && f.kind == idOther && slices.Contains(parties, f.stem)
	}
}

// isFilter reports whether a field of a name holds a filter.
func isFilter(name string) bool {
	return slices.ContainsFunc(filters, func(filter string) bool { return name == filter || strings.HasSuffix(name, "_"+filter) })
}

// about reports whether a field is in the message of what the verb is about.
func (v verb) about(f *idField) bool {
	return f.parent != "" && (v.is(f.parentName) || v.is(f.typeName))
}

// saysName reports whether a field "name" is what something is called, and doesn't
// identify it.
func (v verb) saysName(f *idField) bool {
	if f.parent == "" {
		return f.hasID || slices.Contains(speaks, v.word)
	}

	return f.hasID || !v.about(f) && !f.resource
}

// makes reports whether a field is of an object that the method makes.
func (v verb) makes(f *idField, anyRead bool) bool {
	if !slices.Contains(makes, v.word) && (!slices.Contains(adds, v.word) || !anyRead) {
		return false
	}
	switch f.kind {
	case idOwn, idName: // the new object's, or of a part of it
		return true
	case idOther:
		return v.is(f.stem) && (f.parent == "" || v.about(f)) || f.parent != "" && anyRead && !f.reference
	case idParent, idNone:
		return false
	default:
		return false
	}
}

// singular returns a noun without the ending of a plural, as well as can be told.
func singular(noun string) string {
	switch {
	case strings.HasSuffix(noun, "ies"):
		return noun[:len(noun)-len("ies")] + "y"
	case strings.HasSuffix(noun, "sses"), strings.HasSuffix(noun, "xes"), strings.HasSuffix(noun, "ches"):
		return noun[:len(noun)-len("es")]
	case strings.HasSuffix(noun, "s") && !strings.HasSuffix(noun, "ss"):
		return noun[:len(noun)-1]
	default:
		return noun
	}
}

// snake returns a name in lower case with underscores, as in "document_id" for
// "documentID".
func snake(name string) string {
	runes := []rune(name)
	text := make([]rune, 0, len(runes))
	for i, r := range runes {
		if unicode.IsUpper(r) {
			starts := i > 0 && runes[i-1] != '_' &&
				(!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]) && runes[i+1] != 's')
			if starts {
				text = append(text, '_')
			}
			r = unicode.ToLower(r)
		}
		text = append(text, r)
	}

	return string(text)
}
