package schema_test

import (
	"strings"

	"github.com/usher-auth/usher/authz/schema"
)

// atCycle is what an engine does that comes back to a question that it is answering.
type atCycle int

const (
	cycleDenies       atCycle = iota // false: the least solution
	cycleDeniesAround                // false, and to an intersection or exclusion of it too: OpenFGA
	cycleDeniesLate                  // the same, if an intersection hears of another denial first
	cycleFails                       // an error, as SpiceDB's depth limit
)

type verdict int

const (
	denied verdict = iota
	undecided
	allowed
)

type tuple struct {
	object, relation, subject string // "doc:1", "r0", "user:a", "user:*" or "group:1#member"
	condition                 string
}

// oracle decides as an engine would, by the tuples and a value for each condition.
type oracle struct {
	schema     *schema.Schema
	tuples     map[string][]tuple // by object#relation
	conditions map[string]verdict
	cycle      atCycle
	path       map[string]bool
	steps      int
}

type outcome struct {
	verdict verdict
	cycled  bool
}

const maxOracle = 2_000

func (o *oracle) check(object, relation, subject string) verdict {
	o.path, o.steps = map[string]bool{}, 0
	out := o.relation(object, relation, subject)
	if o.steps > maxOracle {
		return undecided
	}

	return out.verdict
}

func (o *oracle) relation(object, relation, subject string) outcome {
	if o.steps++; o.steps > maxOracle {
		return outcome{undecided, false}
	}
	at := object + "#" + relation
	if o.path[at] {
		if o.cycle == cycleFails {
			return outcome{undecided, false}
		}

		return outcome{denied, o.cycle != cycleDenies}
	}
	if at == subject {
		return outcome{allowed, false}
	}
	typeName, _, _ := strings.Cut(object, ":")
	defined := o.schema.Relation(typeName, relation)
	if defined == nil {
		return outcome{denied, false}
	}
	o.path[at] = true
	defer delete(o.path, at)

	return o.expression(defined.Expression, object, relation, subject)
}

func (o *oracle) expression(e schema.Expression, object, relation, subject string) outcome {
	var parts []outcome
	switch e := e.(type) {
	case schema.Direct:
		for _, t := range o.tuples[object+"#"+relation] {
			parts = append(parts, o.both(o.condition(t), o.subject(t.subject, subject)))
		}

		return o.union(parts)
	case schema.Computed:
		return o.relation(object, e.Relation, subject)
	case schema.Through:
		for _, t := range o.tuples[object+"#"+e.Tupleset] {
			to, _, _ := strings.Cut(t.subject, "#")
			parts = append(parts, o.both(o.condition(t), o.relation(to, e.Relation, subject)))
		}
		if e.All && len(parts) > 0 {
			return o.intersection(parts)
		}

		return o.union(parts)
	case schema.Self:
		return outcome{map[bool]verdict{true: allowed}[object == subject], false}
	case schema.Union:
		for _, part := range e {
			parts = append(parts, o.expression(part, object, relation, subject))
		}

		return o.union(parts)
	case schema.Intersection:
		for _, part := range e {
			parts = append(parts, o.expression(part, object, relation, subject))
		}

		return o.intersection(parts)
	case schema.Exclusion:
		return o.exclusion(o.expression(e.Base, object, relation, subject), o.expression(e.Except, object, relation, subject))
	default:
		panic("the oracle has no such expression")
	}
}

func (o *oracle) condition(t tuple) outcome {
	if t.condition == "" {
		return outcome{allowed, false}
	}

	return outcome{o.conditions[t.condition], false}
}

func (o *oracle) subject(named, subject string) outcome {
	typeName, id, _ := strings.Cut(named, ":")
	if named == subject || id == "*" && strings.HasPrefix(subject, typeName+":") && !strings.Contains(subject, "#") {
		return outcome{allowed, false}
	}
	if object, relation, userset := strings.Cut(named, "#"); userset {
		return o.relation(object, relation, subject)
	}

	return outcome{denied, false}
}

func (o *oracle) both(condition, out outcome) outcome {
	if condition.verdict == denied {
		return outcome{denied, false}
	}

	return outcome{min(condition.verdict, out.verdict), out.cycled}
}

func (o *oracle) union(parts []outcome) outcome {
	var out outcome
	for _, part := range parts {
		out.verdict = max(out.verdict, part.verdict)
		out.cycled = out.cycled || part.cycled
	}
	if out.verdict == allowed {
		out.cycled = false
	}

	return out
}

// intersection denies by one of the parts that deny, and it depends on which comes first
// whether that counts as a cycle.
func (o *oracle) intersection(parts []outcome) outcome {
	out := outcome{verdict: allowed}
	denies, cycled, plain := false, false, false
	for _, part := range parts {
		out.verdict = min(out.verdict, part.verdict)
		denies = denies || part.verdict == denied || part.cycled
		cycled = cycled || part.cycled
		plain = plain || part.verdict == denied && !part.cycled
	}
	if denies {
		return outcome{denied, cycled && (!plain || o.cycle != cycleDeniesLate)}
	}

	return out
}

func (o *oracle) exclusion(base, except outcome) outcome {
	if base.verdict == denied || base.cycled {
		return outcome{denied, base.cycled}
	}
	if except.verdict == allowed || except.cycled {
		return outcome{denied, except.cycled}
	}

	return outcome{min(base.verdict, allowed-except.verdict), false}
}
