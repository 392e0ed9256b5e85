package authz

import (
	"slices"

	"github.com/usher-auth/usher/authz/internal/template"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// properties are the compiled properties of an Attributes.
type properties struct{ subject, action, resource []contextValue }

// values lists all values that a check gives the engine, beside its object and subject.
func (c *check) values(visit func([]contextValue)) {
	visit(c.context)
	if c.properties != nil {
		visit(c.properties.subject)
		visit(c.properties.action)
		visit(c.properties.resource)
	}
}

// permission compiles a permission: a condition on the token, where permissions are
// the token's, or a query.
func (c *conditions) permission(rule *authzv1.Permission, path string) *node {
	c.site.checkName("permission", rule.GetName(), path+".name")
	if c.claims {
		const problem = "a permission of the caller's token (authz.ClaimPermissions)"
		for part, set := range map[string]bool{
			"on": rule.GetOn() != "", "context": len(rule.GetContext()) > 0, "subject": rule.GetSubject() != "", "on_missing": rule.GetOnMissing() != 0,
		} {
			if set {
				c.site.fail(path+"."+part, -1, problem+" doesn't depend on it", "leave it out, or set authz.Config.Permissions to a server of permissions, or write a check")
			}
		}
		c.oneAuthority("a permission", path)

		return c.leafNode(&node{kind: nodeHeld, held: &held{kind: heldPermission, name: rule.GetName()}})
	}
	compiled := &check{kind: QueryPermission, relation: rule.GetName()}
	if rule.GetOn() != "" {
		compiled.object = c.template(rule.GetOn(), path+".on", template.RoleObject)
	}
	compiled.subject = c.subject(rule.GetSubject(), path)
	compiled.context = c.context(rule.GetContext(), path+".context", template.RoleContext)

	return c.asked(compiled, rule.GetOnMissing(), path)
}

// attributes compiles an evaluation.
func (c *conditions) attributes(rule *authzv1.Attributes, path string) *node {
	c.site.checkName("action", rule.GetAction(), path+".action")
	compiled := &check{kind: QueryAttributes, relation: rule.GetAction()}
	compiled.object = c.template(rule.GetResource(), path+".resource", template.RoleObject)
	compiled.subject = c.subject(rule.GetSubject(), path)
	compiled.context = c.context(rule.GetContext(), path+".context", template.RoleContext)
	given := &properties{
		subject:  c.context(rule.GetSubjectProperties(), path+".subject_properties", template.RoleProperty),
		action:   c.context(rule.GetActionProperties(), path+".action_properties", template.RoleProperty),
		resource: c.context(rule.GetResourceProperties(), path+".resource_properties", template.RoleProperty),
	}
	if len(given.subject)+len(given.action)+len(given.resource) > 0 {
		compiled.properties = given
	}

	return c.asked(compiled, rule.GetOnMissing(), path)
}

// asked completes a check of any kind.
func (c *conditions) asked(compiled *check, onMissing authzv1.OnMissing, path string) *node {
	compiled.deny = onMissing == authzv1.OnMissing_ON_MISSING_DENY
	if compiled.object == nil && onMissing != authzv1.OnMissing_ON_MISSING_UNSPECIFIED && compiled.kind == QueryPermission {
		c.site.fail(path+".on_missing", -1, "the permission isn't on an object, so none can be missing", "leave it out, or write on")
	}
	compiled.cacheable = true
	compiled.values(func(values []contextValue) {
		for _, value := range values {
			compiled.cacheable = compiled.cacheable && (value.value == nil || !value.value.Volatile())
		}
	})
	compiled.prefix = keyPrefix(compiled.kind, compiled.relation, compiled.objectType())
	c.checks = append(c.checks, compiled)

	return c.leafNode(&node{kind: nodeCheck, check: compiled})
}

// objectType returns the type of the object, empty if there is none.
func (c *check) objectType() string {
	if c.object == nil {
		return ""
	}

	return c.object.Type()
}

// fan returns the placeholder over which the object fans out, nil if there is none.
func (c *check) fan() *template.Part {
	if c.object == nil {
		return nil
	}

	return c.object.Fan()
}

// count returns the number of objects of a call. A permission without an object counts
// as one.
func (c *check) count(in *template.Input) int {
	if c.object == nil {
		return 1
	}

	return c.object.Count(in)
}

// fields returns the placeholders of the object that read the request.
func (c *check) fields() []*template.Part {
	if c.object == nil {
		return nil
	}

	return c.object.Fields()
}

// text returns what is asked, as it is written in a rule, on one line.
func (c *check) text() string {
	object := ""
	if c.object != nil {
		object = c.object.String()
	}
	text := ""
	switch c.kind {
	case QueryRelation:
		text = "check " + object + "#" + c.relation
	case QueryPermission:
		if text = "permission " + c.relation; object != "" {
			text += " on " + object
		}
	case QueryAttributes:
		text = "action " + c.relation + " on " + object
	}
	if c.subject != nil {
		text += "@" + c.subject.template.String()
	}

	return text
}

// short returns what is asked in a few words, for causes.
func (c *check) short() string {
	if c.kind == QueryRelation {
		return "check " + quoted(c.object.String())
	}

	return c.text()
}

// demand reports each kind of query that the checks ask and nothing answers, and each
// consistency that its engine can't give.
func (a *Authorizer) demand(m *Method, cs *conditions, at *site) {
	var asked [queryKinds]bool
	asked[QueryRelation] = m.policy == policyHandler
	for _, c := range cs.checks {
		asked[c.kind] = true
	}
	if !slices.Contains(asked[:], true) {
		return
	}
	if asked[QueryRelation] && a.fronts.of[QueryRelation] == nil {
		at.fail("", -1, "the rule asks an engine and none is configured", "set Config.Engine")
	}
	if asked[QueryPermission] && a.fronts.of[QueryPermission] == nil {
		at.fail("", -1, "the rule asks for a permission, and neither Config.Permissions is set nor does the engine answer permissions",
			"set authz.Config.Permissions to an engine of package authz/authzen or authz/lumoauth, or to authz.ClaimPermissions{} if tokens hold the permissions; or write a check of a relation")
	}
	if asked[QueryAttributes] && a.fronts.of[QueryAttributes] == nil {
		at.fail("", -1, "the rule asks for an evaluation of attributes, and neither Config.Attributes is set nor does the engine answer them",
			"set authz.Config.Attributes to an engine of package authz/authzen or authz/lumoauth; or write a check of a relation, with context for the engine's conditions")
	}
	if cs.asksAboutCaller && a.subjects.none {
		at.fail("", -1, "the rule asks about the caller and no subjects are configured", "set Config.Subjects")
	}
	modes := []Mode{m.consistency.mode}
	if m.consistency.mode == ModeAtLeastAsFresh {
		modes = append(modes, m.consistency.absent)
	}
	for _, c := range cs.checks {
		if len(at.faults) == 0 { // otherwise it isn't known what would be asked
			a.demandQuery(c, at)
		}
	}
	for kind, front := range a.fronts.of {
		for _, mode := range modes {
			if asked[kind] && front != nil && !front.supports(mode) {
				at.fail(pathRule+".consistency", -1, "the engine can't answer "+mode.String(), "use another mode or another engine")
			}
		}
	}
}

// placeholder stands for an id and for a value that only a call has.
const placeholder = "1"

// demandQuery asks the engine's own validator, if it has one, about a query of the
// check, and reports what the operator must mend: a name that the engine can't take, or
// something that it can't be asked. Ids and values aren't judged.
func (a *Authorizer) demandQuery(c *check, at *site) {
	front := a.fronts.of[c.kind]
	if front == nil || front.validate == nil {
		return
	}
	subjects := a.subjects.all()
	if c.subject != nil {
		subjects = []*subjectTemplate{c.subject}
	}
	for _, subject := range subjects {
		query := Query{
			Kind: c.kind, Relation: c.relation, Context: placeholders(c.context),
			Subject: Subject{Type: subject.template.Type(), ID: placeholder, Relation: subject.template.Relation()},
		}
		if c.object != nil {
			query.Object = Object{Type: c.object.Type(), ID: placeholder}
		}
		if given := c.properties; given != nil {
			query.Properties = &Properties{Subject: placeholders(given.subject), Action: placeholders(given.action), Resource: placeholders(given.resource)}
		}
		if err := front.valid(query); err != nil && asEngineError(err).Kind == EngineMisconfigured {
			at.fail("", -1, "the engine refuses "+c.text()+": "+err.Error(), "write what the engine can be asked, or configure another one")

			return
		}
	}
}

func placeholders(values []contextValue) map[string]any {
	if len(values) == 0 {
		return nil
	}
	given := make(map[string]any, len(values))
	for _, value := range values {
		given[value.name] = placeholder
	}

	return given
}
