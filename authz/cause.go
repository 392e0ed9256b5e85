package authz

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/usher-auth/usher/authz/internal/template"
	"github.com/usher-auth/usher/internal/quote"
)

// unusable is the error of a template that can't use a value of the caller's token
// or of the request. Its text is made when it is read.
type unusable struct {
	// where is the template's place, as in "Subjects.User"; text is the template.
	where, text string
	// name is the placeholder at fault, as in "$sub".
	name      string
	principal Principal
}

// Error returns the template, the value and what is wrong with it.
func (u *unusable) Error() string {
	what, value, problem := u.read()
	if problem == "" {
		problem = what + " " + quoted(value) + " " + oddity(value)
	}

	return u.where + " " + quoted(u.text) + ": " + problem
}

// read returns what the placeholder reads and its value, or why it has none.
func (u *unusable) read() (what, value, problem string) {
	what = u.name
	switch path, claim := strings.CutPrefix(u.name, "$claim."); {
	case claim:
		what = "claim " + quoted(path)
		found, ok := u.principal.Claim(strings.Split(path, ".")...)
		if !ok {
			return what, "", "the token has no " + what
		}
		switch found := found.(type) {
		case string:
			value = found
		case json.Number:
			value = found.String()
		default:
			return what, "", what + " is neither text nor an integer"
		}
	case u.name == "$sub":
		what, value = "sub", u.principal.Subject()
	case u.name == "$client_id" && !u.principal.IsService():
		return what, "", "the token is a user's, and {$client_id} is a service's alone"
	case u.name == "$client_id":
		what, value = "client id", u.principal.ClientID()
	case u.name == "$issuer":
		what, value = "issuer name", u.principal.IssuerName()
	case u.name == "$peer.ip":
		return what, "", "the caller's address isn't known"
	default: // a rule's own subject may read the request
		return what, "", "the request's " + u.name + " is absent, or doesn't fit"
	}
	if value == "" {
		problem = "the token has no " + what
	}

	return what, value, problem
}

// oddity returns why a value can't be used in an id.
func oddity(value string) string {
	switch {
	case len(value) > template.MaxValue:
		return "is longer than " + strconv.Itoa(template.MaxValue) + " bytes"
	case value == "*":
		return "is a wildcard"
	case !utf8.ValidString(value):
		return "isn't valid UTF-8"
	}
	for _, r := range value {
		switch {
		case r == ':' || r == '#':
			return "has '" + string(r) + "'"
		case unicode.IsSpace(r):
			return "has white space"
		case !unicode.IsPrint(r):
			return "has a character that isn't printable"
		}
	}

	return "doesn't fit the template"
}

// unmapped returns the refusal of a principal whose kind has no subject.
func (s *compiledSubjects) unmapped(principal Principal) *Error {
	set := "Subjects"
	if _, own := s.issuers[principal.IssuerName()]; own {
		set = "IssuerSubjects[" + quoted(principal.IssuerName()) + "]"
	}
	kind, of := "User", "a user's token"
	if principal.IsService() {
		kind, of = "Service", "a service's token"
	}

	return refusal(ReasonSubjectUnmapped, "%s, and %s.%s is empty", of, set, kind)
}

// maxCauses bounds the causes that the text of one denial lists.
const maxCauses = 8

// causes joins several causes of one denial.
type causes struct {
	first error
	rest  []error
	more  int
}

func (c *causes) add(err error) {
	switch {
	case c.first == nil:
		c.first = err
	case len(c.rest) == maxCauses-1:
		c.more++
	default:
		c.rest = append(c.rest, err)
	}
}

// Error returns the causes, separated by semicolons.
func (c *causes) Error() string {
	texts := []string{c.first.Error()}
	for _, err := range c.rest {
		texts = append(texts, err.Error())
	}
	if c.more > 0 {
		texts = append(texts, "and "+strconv.Itoa(c.more)+" more")
	}

	return strings.Join(texts, "; ")
}

// Unwrap returns the causes, as far as they are listed.
func (c *causes) Unwrap() []error { return append([]error{c.first}, c.rest...) }

// why returns why the parts of the rule that didn't ask the engine are denied. The
// engine's own answers are in the decision's checks.
func (e *evaluation) why() error {
	var found causes
	e.collect(e.method.root, &found)
	switch {
	case found.first == nil:
		return errDenied
	case found.rest == nil:
		return found.first
	default:
		several := found // on the heap only where there are several

		return &several
	}
}

func (e *evaluation) collect(n *node, into *causes) {
	if e.fold(n) != verdictDenied {
		return
	}
	for _, child := range n.children {
		e.collect(child, into)
	}
	if !n.isLeaf() {
		return
	}
	at := &e.leaves[n.leaf]
	if at.from != at.to {
		return
	}
	switch n.kind {
	case nodeMatch:
		into.add(e.mismatch(n.match))
	case nodeScope:
		into.add(lacking(n.scope))
	case nodeCheck:
		if err := e.unasked(n.check, at); err != nil {
			into.add(err)
		}
	case nodeHeld:
		into.add(unheld{n.held})
	case nodeExpression:
		into.add(&expressionError{n.expression.text, at.cause})
	case nodeNever, nodeAll, nodeAny:
	}
}

// denial is a cause of a denial, as text.
type denial string

// Error returns the text.
func (d denial) Error() string { return string(d) }

// lacking is a scope that the token doesn't have.
type lacking string

// Error returns the scope.
func (l lacking) Error() string { return "has_scope " + quoted(string(l)) + ": the token lacks it" }

// unasked returns why a check was denied without asking the engine, or nil if its
// object and its subject are good.
func (e *evaluation) unasked(c *check, at *leaf) error {
	switch at.reason {
	case ReasonSubjectUnmapped:
		return e.method.owner.subjects.unmapped(e.call.Principal).Err
	case ReasonSubjectInvalid:
		if at.bad == nil {
			return denial(c.short() + ": a claim that it gives is no JSON value")
		}
		if at.of == nil {
			return denial(c.short() + ": " + e.ungiven(at.bad))
		}
		where := "the check's object"
		if c.object == nil || at.of != c.object {
			if where = "the check's subject"; c.subject == nil {
				where = e.caller.where
			}
		}

		return &unusable{where: where, text: at.of.String(), name: at.bad.Name(), principal: e.call.Principal}
	case ReasonRelationDenied:
		if at.bad != nil {
			return denial(c.short() + ": " + at.bad.Path(-1) + " is absent, or doesn't fit")
		}
	default:
	}

	return nil
}

// ungiven returns why a value of the token, or the caller's address, can't be given to
// the engine.
func (e *evaluation) ungiven(bad *template.Part) string {
	absent := bad.Name() == "$peer.ip"
	if claim, isClaim := strings.CutPrefix(bad.Name(), "$claim."); isClaim {
		value, found := e.call.Principal.Claim(strings.Split(claim, ".")...)
		absent = !found || value == nil
	}
	if absent {
		_, _, problem := (&unusable{name: bad.Name(), principal: e.call.Principal}).read()

		return problem
	}

	return "{" + bad.Name() + "} that it gives is too long, or isn't text or JSON"
}

// mismatch is the error of a match that isn't granted, with the values of both
// sides. Its text is made when it is read.
type mismatch struct {
	left, right side
}

// Error returns the sides.
func (m *mismatch) Error() string { return "match: " + m.left.text() + ", " + m.right.text() }

// side is one side of a match, as it was in a call.
type side struct {
	template  *template.Template
	principal Principal
	// value is the start of the template's text, of one element if it fans out.
	value   string
	element int
	// st is why there is no value, and bad is the part at fault.
	st  template.Status
	bad *template.Part
}

func (s *side) text() string {
	shown := quoted(s.template.String())
	switch s.st {
	case template.StatusOK:
		switch {
		case s.template.Fan() != nil:
			return shown + " has " + quoted(s.value) + " at " + strconv.Itoa(s.element)
		case s.value == s.template.String():
			return shown
		default:
			return shown + " is " + quoted(s.value)
		}
	case template.StatusMissing:
		return shown + " is absent"
	case template.StatusForeign:
		_, _, problem := (&unusable{name: s.bad.Name(), principal: s.principal}).read()
		if problem == "" {
			problem = "the token's value doesn't fit"
		}

		return shown + ": " + problem
	case template.StatusInvalid:
		fallthrough
	default:
		return shown + " can't be compared"
	}
}

// mismatch returns the error of a match that isn't granted. Of the side that fans
// out, it shows the first element that differs.
func (e *evaluation) mismatch(m *match) error {
	mark := len(e.buf)
	defer func() { e.buf = e.buf[:mark] }()
	many, one := side{template: m.left, st: template.StatusMissing}, side{template: m.right}
	if m.right.Fan() != nil {
		many, one = side{template: m.right, st: template.StatusMissing}, side{template: m.left}
	}
	many.principal, one.principal = e.call.Principal, e.call.Principal
	e.buf, one.st, one.bad = one.template.Append(e.buf, &e.in, 0)
	split := len(e.buf)
	for i := range many.template.Count(&e.in) {
		many.element = i
		e.buf, many.st, many.bad = many.template.Append(e.buf[:split], &e.in, i)
		if one.st != template.StatusOK || many.st != template.StatusOK || string(e.buf[mark:split]) != string(e.buf[split:]) {
			break
		}
	}
	// One copy for both: as much as is shown, and one more byte if there is more.
	cut := mark + min(split-mark, quote.Max+1)
	values := string(append(e.buf[:cut], e.buf[split:min(len(e.buf), split+quote.Max+1)]...)[mark:])
	one.value, many.value = values[:cut-mark], values[cut-mark:]
	if many.template == m.left {
		return &mismatch{many, one}
	}

	return &mismatch{one, many}
}
