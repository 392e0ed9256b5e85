package authztest

import (
	"slices"
	"strings"

	"github.com/usher-auth/usher/authz"
)

// maxWalk bounds how deep relations are followed, so that a walk of a cycle ends.
const maxWalk = 25

// walk is the evaluation of one query.
type walk struct {
	engine  *Engine
	context map[string]any
	subject authz.Subject
	missing []string
	deep    bool
	// step is the step of the trace that the walk is at, nil if there is no trace, and
	// steps is how many it has.
	step  *authz.Trace
	steps int
}

// has reports whether the subject has the relation to the object.
func (w *walk) has(object authz.Object, relation string, depth int) authz.Effect {
	if w.step == nil {
		return w.holds(object, relation, depth)
	}
	parent := w.step
	if w.steps >= authz.MaxTraceNodes {
		parent.Omitted++
		w.step = nil // the walk goes on without a trace
		effect := w.holds(object, relation, depth)
		w.step = parent

		return effect
	}
	w.steps++
	w.step = &authz.Trace{Object: object, Relation: relation, Subject: w.subject}
	parent.Steps = append(parent.Steps, w.step)
	effect := w.holds(object, relation, depth)
	w.step.Effect = effect
	w.step = parent

	return effect
}

func (w *walk) holds(object authz.Object, relation string, depth int) authz.Effect {
	if depth > maxWalk {
		w.deep = true

		return authz.EffectDenied
	}
	rewrite := w.engine.model[object.Type][relation]
	effect := w.granted(object, relation, rewrite, depth)
	if effect == authz.EffectDenied || rewrite.Except == "" {
		return effect
	}
	switch w.has(object, rewrite.Except, depth+1) {
	case authz.EffectAllowed:
		return authz.EffectDenied
	case authz.EffectConditional:
		return authz.EffectConditional
	case authz.EffectDenied, authz.EffectUnknown:
		fallthrough
	default:
		return effect
	}
}

func (w *walk) granted(object authz.Object, relation string, rewrite Rewrite, depth int) authz.Effect {
	best := authz.EffectDenied
	keep := func(effect authz.Effect) bool {
		if effect == authz.EffectConditional {
			best = effect
		}

		return effect == authz.EffectAllowed
	}
	for _, tuple := range w.engine.tuples {
		if tuple.Object == object && tuple.Relation == relation && keep(w.direct(tuple, rewrite, depth)) {
			return authz.EffectAllowed
		}
	}
	for _, implied := range rewrite.Union {
		if keep(w.has(object, implied, depth+1)) {
			return authz.EffectAllowed
		}
	}
	for _, through := range rewrite.Through {
		via, implied, _ := strings.Cut(through, arrow)
		for _, tuple := range w.engine.tuples {
			if tuple.Object != object || tuple.Relation != via {
				continue
			}
			if keep(w.has(authz.Object{Type: tuple.Subject.Type, ID: tuple.Subject.ID}, implied, depth+1)) {
				return authz.EffectAllowed
			}
		}
	}

	return best
}

// direct reports whether one tuple names the subject, itself or by a userset.
func (w *walk) direct(tuple Tuple, rewrite Rewrite, depth int) authz.Effect {
	effect := authz.EffectDenied
	switch {
	case tuple.Subject == w.subject:
		effect = authz.EffectAllowed
	case tuple.Subject.Relation != "":
		effect = w.has(authz.Object{Type: tuple.Subject.Type, ID: tuple.Subject.ID}, tuple.Subject.Relation, depth+1)
	}
	if effect == authz.EffectDenied || tuple.Condition == "" {
		return effect
	}
	name, known := rewrite.Conditions[tuple.Condition]
	if !known {
		w.note("condition " + tuple.Condition + " isn't in the model")

		return authz.EffectDenied
	}
	value, given := w.context[name]
	if !given {
		w.note("condition " + tuple.Condition + " lacks " + name)
		if !slices.Contains(w.missing, name) {
			w.missing = append(w.missing, name)
		}

		return authz.EffectConditional
	}
	if holds, ok := value.(bool); !ok || !holds {
		w.note("condition " + tuple.Condition + " is false")

		return authz.EffectDenied
	}

	return effect
}

// note says something about the step that the walk is at.
func (w *walk) note(detail string) {
	if w.step != nil {
		w.step.Detail = detail
	}
}
