package lint

import (
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// world is a sort of caller: a kind of token of an issuer.
type world struct {
	service bool
	// issuer is the short name of the token's issuer, empty if it isn't known.
	issuer string
	// subject is set unless it is known that such callers have no configured subject, and
	// claims if permissions are those of the token.
	subject, claims bool
	// scopes are scopes that the rest of the rule demands.
	scopes []string
	input  protoreflect.MessageDescriptor
}

// maxIssuers bounds the issuers that are told apart.
const maxIssuers = 16

// worlds returns the sorts of callers that a rule admits before its conditions decide. It
// errs on the side of more.
func (l *linter) worlds(m *authz.MethodPolicy) []world {
	token := m.Rule.GetAccessToken()
	issuers := token.GetIssuers()
	if len(issuers) == 0 || len(issuers) > maxIssuers {
		issuers = []string{""}
	}
	scopes := slices.Clone(token.GetScopes())
	if anyScope := token.GetAnyScope(); len(anyScope) == 1 {
		scopes = append(scopes, anyScope[0])
	}
	kinds := token.GetKinds()
	var all []world
	for _, issuer := range issuers {
		for _, kind := range []authzv1.Kind{authzv1.Kind_KIND_SERVICE, authzv1.Kind_KIND_USER} {
			w := world{service: kind == authzv1.Kind_KIND_SERVICE, issuer: issuer, claims: l.policy.ClaimPermissions, scopes: scopes, input: input(m)}
			w.subject = l.subject(w)
			// A kind without a subject is admitted only by a rule that names it.
			if slices.Contains(kinds, kind) || len(kinds) == 0 && w.subject {
				all = append(all, w)
			}
		}
	}

	return all
}

// subject reports whether callers of a world may have a configured subject.
func (l *linter) subject(w world) bool {
	p := l.policy
	if p.Subjects == (authz.Subjects{}) && len(p.IssuerSubjects) == 0 {
		return true // they aren't known
	}
	of := func(s authz.Subjects) bool { return w.service && s.Service != "" || !w.service && s.User != "" }
	if own, found := p.IssuerSubjects[w.issuer]; found && w.issuer != "" {
		return of(own)
	}
	if of(p.Subjects) {
		return true
	}
	if w.issuer != "" {
		return false
	}
	for _, own := range p.IssuerSubjects {
		if of(own) {
			return true
		}
	}

	return false
}

// hasScope reports whether each caller of the world has a scope.
func (w *world) hasScope(scope string) bool { return slices.Contains(w.scopes, scope) }

// known returns the pieces of a template with the issuer's name filled in, if it is known.
func (w *world) known(all []piece) []piece {
	if w.issuer == "" || !slices.ContainsFunc(all, func(p piece) bool { return p.name == "$issuer" }) {
		return all
	}
	var filled []piece
	for _, p := range all {
		if p.name == "$issuer" {
			p = piece{literal: w.issuer, column: p.column}
		}
		if last := len(filled) - 1; p.name == "" && last >= 0 && filled[last].name == "" {
			filled[last].literal += p.literal

			continue
		}
		filled = append(filled, p)
	}

	return filled
}

// equal reports whether a match is of two texts that are equal for each caller.
func (w *world) equal(n *node) bool {
	if len(n.texts) != 2 {
		return false
	}
	left, leftKnown := onlyLiteral(w.known(n.texts[0].pieces))
	right, rightKnown := onlyLiteral(w.known(n.texts[1].pieces))

	return leftKnown && rightKnown && left == right
}
