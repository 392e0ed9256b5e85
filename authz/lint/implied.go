package lint

import (
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/usher-auth/usher/authz"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// implied reports checks of a group that have no effect beside another one, because by
// the schema one relation implies the other: in any_of the narrower of the two, in all_of
// the wider. Of two relations that imply each other, the later check is reported.
func (l *linter) implied(m *authz.MethodPolicy, group nodeKind, conditions []*node) {
	if l.relations.schema == nil {
		return
	}
	var abouts []string
	checks := map[string][]*node{}
	for _, n := range conditions {
		about, ok := l.about(n.check)
		if !ok {
			continue
		}
		if checks[about] == nil {
			abouts = append(abouts, about)
		}
		checks[about] = append(checks[about], n)
	}
	for _, about := range abouts {
		kept := checks[about]
		if len(kept) > maxImplied {
			continue
		}
		for i, n := range slices.Backward(kept) {
			by := slices.IndexFunc(kept, func(other *node) bool {
				if group == nodeAny {
					return other != n && l.holds(n.check, other.check)
				}

				return other != n && l.holds(other.check, n.check)
			})
			if by < 0 {
				continue
			}
			other := kept[by]
			objectType, _, _ := strings.Cut(n.check.GetObject(), ":")
			because := n.check.GetRelation() + " of " + objectType + " implies " + other.check.GetRelation() + ", which " + other.part + " asks for"
			if group == nodeAll {
				because = other.check.GetRelation() + " of " + objectType + ", which " + other.part + " asks for, implies " + n.check.GetRelation()
			}
			l.effect(m, n.part, "the check has no effect: by the schema "+strconv.Quote(l.relations.schema.Source())+", "+because, "remove it")
			kept = slices.Delete(slices.Clone(kept), i, i+1)
		}
	}
}

// about returns a text that is equal for checks that differ in their relation alone. It
// reports false if the schema says nothing of the check's subject.
func (l *linter) about(check *authzv1.Check) (string, bool) {
	if check == nil || strings.ContainsAny(check.GetSubject(), "#*") || check.GetSubject() == "" && l.usersets {
		return "", false
	}
	about := proto.CloneOf(check)
	about.Relation = ""
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(about)

	return string(text), err == nil
}

// holds reports whether the second check holds wherever the first one does. It is false
// if the engine may lack context for the second one: its answer isn't known then.
func (l *linter) holds(first, second *authzv1.Check) bool {
	objectType, _, _ := strings.Cut(first.GetObject(), ":")
	if answer, known := l.relations.implies(objectType, first.GetRelation(), second.GetRelation()); !known || !answer {
		return false
	}
	model := l.relations.schema
	if !model.Complete(objectType, second.GetRelation()) {
		return false
	}
	for _, name := range model.ConditionsOf(objectType, second.GetRelation()) {
		condition := model.Condition(name)
		if condition == nil {
			return false
		}
		for parameter := range condition.Parameters {
			if !slices.ContainsFunc(second.GetContext(), func(v *authzv1.ContextValue) bool { return v.GetName() == parameter }) {
				return false
			}
		}
	}

	return true
}
