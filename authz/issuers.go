package authz

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/usher-auth/usher/authz/internal/template"
	"github.com/usher-auth/usher/internal/quote"
)

// issuerNames are the short names of the issuers whose tokens may fill in a
// template. If empty, the issuers aren't known, and there may be several.
type issuerNames []string

// one reports whether all tokens are of one issuer, so that templates needn't hold
// it.
func (n issuerNames) one() bool { return len(n) == 1 }

// narrowed returns those of the names that a rule admits too.
func (n issuerNames) narrowed(rule []string) issuerNames {
	if len(rule) == 0 {
		return n
	}
	if len(n) == 0 {
		return rule
	}

	return slices.DeleteFunc(slices.Clone(rule), func(name string) bool { return !slices.Contains(n, name) })
}

// listed returns the fault of one of the names in a rule's access_token.issuers,
// nil if there is none.
func (n issuerNames) listed(rule []string, i int) *template.Fault {
	switch name := rule[i]; {
	case name == "":
		return &template.Fault{Column: -1, Problem: "the name is empty", Fix: "write an issuer's short name"}
	case slices.Contains(rule[:i], name):
		return &template.Fault{Column: -1, Problem: "the name " + quoted(name) + " is given twice", Fix: "remove one"}
	case len(n) > 0 && !slices.Contains(n, name):
		return &template.Fault{
			Column: -1, Problem: "there is no issuer " + quoted(name),
			Fix: "write the short name of one that is configured: " + quotedAll(n) +
				"; or add it to the verifier, or to authz.Config.Issuers",
		}
	default:
		return nil
	}
}

// unlisted reports whether a rule's list has a fault, so that the issuers that it
// admits can't be known.
func (n issuerNames) unlisted(rule []string) bool {
	for i := range rule {
		if n.listed(rule, i) != nil {
			return true
		}
	}

	return false
}

// namesOf returns the names of a configuration's Issuers, if it is set. A panic of
// it is an error: what it panics with may hold anything, so only its type is shown.
func namesOf(issuers IssuerNamer) (names issuerNames, err error) {
	if issuers == nil {
		return nil, nil
	}
	if v := reflect.ValueOf(issuers); (v.Kind() == reflect.Pointer || v.Kind() == reflect.Func) && v.IsNil() {
		return nil, fmt.Errorf("authz: Config.Issuers is a nil %T", issuers)
	}
	defer func() {
		if value := recover(); value != nil {
			names, err = nil, fmt.Errorf("authz: Config.Issuers: IssuerNames panicked with a %T", value)
		}
	}()

	return slices.Clone(issuers.IssuerNames()), nil
}

// validateIssuers returns what is wrong with the names of a configuration.
func (c *Config) validateIssuers() []error {
	var errs []error
	for i, name := range c.issuers {
		switch {
		case name == "":
			errs = append(errs, errors.New("authz: Issuers: a name is empty; give each issuer a short name"))
		case slices.Contains(c.issuers[:i], name):
			errs = append(errs, fmt.Errorf("authz: Issuers: %s is given twice; two issuers must have two names, since subjects are told apart by them", quoted(name)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.IssuerSubjects)) {
		switch {
		case name == "":
			// To templates it would be one issuer, and could be all that have no
			// name.
			errs = append(errs, errors.New(`authz: IssuerSubjects[""]: the name is empty; give the issuer a short name`))
		case len(c.issuers) > 0 && !slices.Contains(c.issuers, name):
			errs = append(errs, fmt.Errorf("authz: IssuerSubjects[%s]: no such issuer is in Issuers, which has %s", quoted(name), quotedAll(c.issuers)))
		}
	}

	return errs
}

// readsPrincipal returns the first placeholder whose value an issuer chooses, or
// nil if the template is the same for every token.
func readsPrincipal(t *template.Template) *template.Part {
	return t.Reads(template.SourceSubject, template.SourceClientID, template.SourceClaim)
}

// readsIssuer reports whether the template holds {$issuer}.
func readsIssuer(t *template.Template) bool { return t.Reads(template.SourceIssuer) != nil }

// apart returns why a template could give the callers of two issuers one value, nil
// if it can't. With such a template, a caller who registers with one issuer could
// choose the name of a caller of another.
func (n issuerNames) apart(t *template.Template) *template.Fault {
	p := readsPrincipal(t)
	if p == nil || n.one() || readsIssuer(t) {
		return nil
	}

	return p.Fault(n.severally(p)+", so the template must hold {$issuer}", n.fix("put it in"))
}

// matched is apart for the sides of a match. Only one side may read the token, and
// the issuer in it must be compared with what isn't from the token: a literal or a
// field.
func (n issuerNames) matched(left, right *template.Template) (*template.Template, *template.Fault) {
	if n.one() {
		return nil, nil
	}
	leftReads, rightReads := readsPrincipal(left), readsPrincipal(right)
	side, other, p := left, right, leftReads
	if leftReads == nil {
		side, other, p = right, left, rightReads
	}
	switch {
	case p == nil:
		return nil, nil
	case leftReads != nil && rightReads != nil:
		return right, rightReads.Fault(n.severally(rightReads)+", and both sides read the token", n.fix("compare with a field that names issuer and caller"))
	case !readsIssuer(side):
		return side, p.Fault(n.severally(p)+", so this side must hold {$issuer}", n.fix("put it in, and the issuer's name into what is compared with it"))
	}
	if o := other.Reads(template.SourceIssuer); o != nil {
		return other, o.Fault(n.severally(p)+", and {$issuer} on both sides is always equal", n.fix("leave it on the side that reads the caller, and compare it with a field or a literal"))
	}

	return nil, nil
}

func (n issuerNames) severally(p *template.Part) string {
	if len(n) == 0 {
		return "{" + p.Name() + "} of two issuers may be equal, and the issuers aren't known"
	}

	return "{" + p.Name() + "} of two issuers may be equal, and several are admitted"
}

// fixIssuers tells how to make the issuers known.
const fixIssuers = "set authz.Config.Issuers to the verifier (or to authz.Issuers with the short names, if it has no IssuerNames)"

func (n issuerNames) fix(first string) string {
	fix := first + ", or name the one issuer in access_token.issuers"
	if len(n) == 0 {
		fix += ", or " + fixIssuers
	}

	return fix
}

// unusable returns the fault of a template whose {$issuer} can't take the name of
// one of the issuers, so that all callers of that issuer would be refused.
func (n issuerNames) unusable(t *template.Template) *template.Fault {
	p, name := t.RefusesIssuer(n)
	if p == nil {
		return nil
	}

	return p.Fault("the issuer's name "+quoted(name)+" can't stand here",
		"give the issuer a short name (verify.JWTConfig.IssuerName), without ':', '#', white space and what follows the placeholder")
}

// clientClaims are claims that name the client, or the actor, through which a token
// was minted. As a user's subject they would give the user the rights of that
// client.
var clientClaims = []string{"client_id", "clientId", "azp", "cid", "appid", "act"}

// readsClient returns the placeholder that reads the client through which a token
// was minted, nil if there is none.
func readsClient(t *template.Template) *template.Part { return t.ReadsClaim(clientClaims...) }

// stranger returns the refusal of a principal that only a public rule may admit:
// one of an issuer that isn't configured, or one that isn't exactly one of service
// and user.
func (a *Authorizer) stranger(principal Principal) *Error {
	if len(a.issuers) > 0 && !slices.Contains(a.issuers, principal.IssuerName()) {
		return refusal(ReasonSubjectUnmapped, "the verifier names the token's issuer %s, and Issuers has %s",
			quoted(principal.IssuerName()), quotedAll(a.issuers))
	}
	if principal.IsService() == principal.IsUser() {
		return refusal(ReasonSubjectUnmapped,
			"the token doesn't say whether it is a service's or a user's: issuer %s, sub %s, client id %s; %s",
			quoted(principal.IssuerName()), quoted(principal.Subject()), quoted(principal.ClientID()), kindCause(principal))
	}

	return nil
}

// maxCause bounds the text of a principal's KindCause, in bytes.
const maxCause = 1024

// kindCause returns why a principal's kind is unclear, if the principal knows it,
// or what to set.
func kindCause(principal Principal) string {
	if known, ok := principal.(interface{ KindCause() string }); ok {
		if cause := known.KindCause(); len(cause) > maxCause {
			return visible(cause[:maxCause]) + "..."
		} else if cause != "" {
			return visible(cause)
		}
	}

	return "set the issuer's verify.Profile"
}

// visible returns a principal's own text without characters that could forge a log
// entry.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}

		return r
	}, text)
}

// quoted returns a value as errors show it: bounded, and without characters that
// could forge a log entry.
func quoted(value string) string { return quote.Value(value) }

// quotedAll returns a list of names as errors show it, at most 8 of them.
func quotedAll(names []string) string {
	const most = 8
	shown := make([]string, 0, most)
	for i, name := range names {
		if i == most {
			return strings.Join(shown, ", ") + ", ..."
		}
		shown = append(shown, quoted(name))
	}

	return strings.Join(shown, ", ")
}
