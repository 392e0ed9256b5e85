package authztest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/usher-auth/usher/authz"
)

// Permission is a grant: a subject has a permission.
type Permission struct {
	// Subject is the subject that has it, as in "user:alice". Required.
	Subject string
	// Name is the permission, as in "documents.edit". Required.
	Name string
	// On is the object that the permission is limited to, as in "organization:acme".
	// Optional. Default: it isn't limited to an object, and holds on each one.
	On string
}

// String returns the grant as in "permission documents.edit on organization:acme for
// user:alice".
func (p Permission) String() string {
	text := "permission " + p.Name
	if p.On != "" {
		text += " on " + p.On
	}

	return text + " for " + p.Subject
}

// query returns the query that the grant answers. It panics on a malformed grant.
func (p Permission) query() authz.Query {
	subjectType, subjectID, ok := strings.Cut(p.Subject, ":")
	if !ok || subjectType == "" || subjectID == "" || p.Name == "" {
		panic(fmt.Sprintf("authztest: %s has no subject like user:alice, or no name", p))
	}
	q := authz.Query{Kind: authz.QueryPermission, Relation: p.Name, Subject: authz.Subject{Type: subjectType, ID: subjectID}}
	if p.On != "" {
		objectType, objectID, ok := strings.Cut(p.On, ":")
		if !ok || objectType == "" || objectID == "" {
			panic(fmt.Sprintf("authztest: %s is on no object like organization:acme", p))
		}
		q.Object = authz.Object{Type: objectType, ID: objectID}
	}

	return q
}

// Grant adds grants of permissions. It panics on one without a subject or a name.
func (e *Engine) Grant(permissions ...Permission) {
	for _, permission := range permissions {
		permission.query()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.permissions = append(e.permissions, permissions...)
	e.revision++
}

// Revoke removes grants of permissions.
func (e *Engine) Revoke(permissions ...Permission) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.permissions = slices.DeleteFunc(e.permissions, func(p Permission) bool { return slices.Contains(permissions, p) })
	e.revision++
}

// CheckPermissions decides by the grants of [Engine.Grant]. A permission that isn't
// granted is denied, also one that no grant names.
func (e *Engine) CheckPermissions(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	return e.decide(ctx, batch, authz.QueryPermission, e.permitted)
}

func (e *Engine) permitted(query authz.Query) authz.Answer {
	for _, permission := range e.permissions {
		granted := permission.query()
		if granted.Subject == query.Subject && granted.Relation == query.Relation &&
			(permission.On == "" || granted.Object == query.Object) {
			return authz.Answer{Effect: authz.EffectAllowed}
		}
	}

	return authz.Answer{Effect: authz.EffectDenied}
}
