package authz

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/usher-auth/usher/authz/schema"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// ValidateSchema returns what in the rules doesn't fit the engine's schema, sorted: types,
// relations, kinds of callers and context that can't work there. Only relation checks
// are judged: permissions, attributes, and what handlers ask aren't about the schema.
// Methods with other faults, or without a rule, aren't judged. Checks about the caller
// aren't judged where Subjects and IssuerSubjects are empty.
//
// A fault of a configured subject is returned once, at the first method that asks about
// it, with a path such as "Subjects.User".
func (p *Policy) ValidateSchema(s *schema.Schema) []*RuleError {
	found := p.judgeSchema(s)
	faults := make([]*RuleError, len(found))
	for i, f := range found {
		faults[i] = f.fault
	}

	return sortedRuleErrors(faults)
}

// schemaFault is a fault of a rule against a schema.
type schemaFault struct {
	fault *RuleError
	// review is set if the method works, but perhaps not as intended: it is no reason
	// not to start.
	review bool
}

// schemaJudge finds the faults of a policy against a schema.
type schemaJudge struct {
	policy *Policy
	schema *schema.Schema
	// unknown is set if the policy doesn't tell who the callers' subjects are.
	unknown bool
	holders map[schema.Reference]schema.Holders
	nearest nearest
	// told are the places of configured subjects that were reported.
	told   map[string]bool
	method *MethodPolicy
	faults []schemaFault
}

func (p *Policy) judgeSchema(s *schema.Schema) []schemaFault {
	if p == nil || s == nil {
		return nil
	}
	j := &schemaJudge{
		policy: p, schema: s, unknown: p.Subjects == (Subjects{}) && len(p.IssuerSubjects) == 0,
		holders: map[schema.Reference]schema.Holders{}, told: map[string]bool{},
	}
	j.nearest.types = s.Types()
	for i := range p.Methods {
		if m := &p.Methods[i]; m.Rule != nil && len(m.Faults) == 0 {
			j.judge(m)
		}
	}

	return j.faults
}

// judge finds the faults of one method.
func (j *schemaJudge) judge(m *MethodPolicy) {
	defer func() {
		// Reflection over malformed descriptors can panic.
		if recovered := recover(); recovered != nil {
			j.fail(FaultRuleInvalid, "", -1, "the descriptor can't be read: "+quoted(fmt.Sprint(recovered)), "generate it again")
		}
	}()
	j.method = m
	rule := m.Rule
	var root *asks
	switch policy := rule.GetPolicy().(type) {
	case *authzv1.Rule_Check:
		root = j.check(policy.Check, "check")
	case *authzv1.Rule_AllOf:
		root = j.group(true, policy.AllOf.GetConditions(), "all_of", 1)
	case *authzv1.Rule_AnyOf:
		root = j.group(false, policy.AnyOf.GetConditions(), "any_of", 1)
	default:
		return
	}
	j.callers(root)
}

// asks is what a rule asks of relations: a check, or a group of conditions. A condition
// of another kind is nil, and may hold.
type asks struct {
	all   bool
	parts []*asks
	check *asked
}

// asked is one check.
type asked struct {
	path string
	text string
	of   schema.Reference
	// own is the rule's own subject, nil if the check is about the caller.
	own     *schema.Subject
	ownText string
	// known is set if the schema has the type and the relation.
	known bool
}

func (j *schemaJudge) group(all bool, conditions []*authzv1.Condition, path string, depth int) *asks {
	if depth > maxDepth {
		return nil // no server compiles it
	}
	group := &asks{all: all}
	for i, condition := range conditions {
		at := path + ".conditions" + index(i)
		var part *asks
		switch of := condition.GetCondition().(type) {
		case *authzv1.Condition_Check:
			part = j.check(of.Check, at+".check")
		case *authzv1.Condition_AllOf:
			part = j.group(true, of.AllOf.GetConditions(), at+".all_of", depth+1)
		case *authzv1.Condition_AnyOf:
			part = j.group(false, of.AnyOf.GetConditions(), at+".any_of", depth+1)
		}
		group.parts = append(group.parts, part)
	}

	return group
}

// check judges the names of a check, and its context.
func (j *schemaJudge) check(rule *authzv1.Check, path string) *asks {
	objectType, _, typed := strings.Cut(rule.GetObject(), ":")
	if !typed {
		return nil
	}
	c := &asked{path: path, text: rule.GetObject() + "#" + rule.GetRelation(), of: schema.Reference{Type: objectType, Relation: rule.GetRelation()}}
	c.known = j.named(c.of, path+".object", 0, path+".relation", -1, "")
	if text := rule.GetSubject(); text != "" {
		subject, userset := subjectOf(text)
		c.own, c.ownText = &subject, text
		c.known = j.named(schema.Reference{Type: subject.Type, Relation: subject.Relation}, path+".subject", 0, path+".subject", userset, "") && c.known
	}
	if j.schema.Relation(c.of.Type, c.of.Relation) != nil {
		j.context(rule.GetContext(), c, path+".context")
	}

	return &asks{check: c}
}

// named reports whether the schema has a type and its relation, if there is one, and
// makes a fault of one that it doesn't have.
func (j *schemaJudge) named(ref schema.Reference, typePath string, typeColumn int, relationPath string, relationColumn int, of string) bool {
	t := j.schema.Type(ref.Type)
	switch {
	case t == nil:
		j.fail(FaultSchemaType, typePath, typeColumn, of+"the schema"+j.source()+" has no type "+quoted(ref.Type), j.nearest.typeNamed(ref.Type))
	case ref.Relation != "" && j.schema.Relation(ref.Type, ref.Relation) == nil:
		j.fail(FaultSchemaRelation, relationPath, relationColumn,
			of+"the schema"+j.source()+" has no relation "+quoted(ref.Relation)+" of type "+quoted(ref.Type), j.nearest.relationNamed(t, ref.Relation))
	default:
		return true
	}

	return false
}

// source returns the schema's source with a space before it, if it is known.
func (j *schemaJudge) source() string {
	if j.schema.Source() == "" {
		return ""
	}

	return " " + quoted(j.schema.Source())
}

// subjectOf returns the type and the relation of a subject's template, and the offset of
// the relation within it.
func subjectOf(text string) (subject schema.Subject, userset int) {
	subject.Type, _, _ = strings.Cut(text, ":")
	if hash := strings.LastIndexByte(text, '#'); hash > strings.LastIndexByte(text, '}') {
		subject.Relation = text[hash+1:]

		return subject, hash + 1
	}

	return subject, -1
}

// holdersOf returns the subjects that may have a relation.
func (j *schemaJudge) holdersOf(ref schema.Reference) schema.Holders {
	holders, known := j.holders[ref]
	if !known {
		holders = j.schema.Holders(ref.Type, ref.Relation)
		j.holders[ref] = holders
	}

	return holders
}

// fail adds a fault of the method. A path that isn't one of a rule's part is that of a
// configured subject.
func (j *schemaJudge) fail(id, part string, column int, problem, fix string) {
	m := j.method
	path := part
	if part != "" && !strings.HasPrefix(part, "Subjects") && !strings.HasPrefix(part, "IssuerSubjects") {
		path = m.Path(part)
	}
	j.faults = append(j.faults, schemaFault{fault: &RuleError{
		ID: id, File: m.File, Line: m.Line, Method: m.Method, Path: path, Column: column, Problem: problem, Fix: fix,
	}})
}

// reviewOnly marks the fault that was added last.
func (j *schemaJudge) reviewOnly() { j.faults[len(j.faults)-1].review = true }

// configured are the subjects of some issuers' tokens, with their place.
type configured struct {
	where    string
	subjects Subjects
}

// configuredFor returns the subjects of the callers that a rule admits, sorted by their
// place.
func (j *schemaJudge) configuredFor(token *authzv1.AccessToken) []configured {
	p := j.policy
	names := token.GetIssuers()
	if len(names) == 0 {
		names = p.Issuers
	}
	sets := map[string]Subjects{}
	add := func(name string) {
		if own, has := p.IssuerSubjects[name]; has {
			sets["IssuerSubjects["+strconv.Quote(name)+"]"] = own
		} else {
			sets["Subjects"] = p.Subjects
		}
	}
	for _, name := range names {
		add(name)
	}
	if len(names) == 0 { // they aren't known
		sets["Subjects"] = p.Subjects
		for name := range p.IssuerSubjects {
			add(name)
		}
	}
	all := make([]configured, 0, len(sets))
	for _, where := range slices.Sorted(maps.Keys(sets)) {
		all = append(all, configured{where, sets[where]})
	}

	return all
}
