package authz

import (
	"slices"
	"strconv"
	"strings"

	"github.com/usher-auth/usher/authz/schema"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// admitted is one sort of callers that a rule admits: those of a kind whose tokens
// have one configured subject.
type admitted struct {
	kind  authzv1.Kind
	where string
	// text is the subject's template, empty if it isn't known.
	text    string
	subject schema.Subject
	// unmapped is set if the callers have no subject, so that checks about them fail.
	unmapped bool
	// known is set if the schema has the subject's type and relation.
	known bool
	// passes is set if the rule can pass.
	passes bool
	// bars are the checks that no such caller can pass.
	bars []*asked
}

// callers makes a fault of each sort of callers that the rule admits and that can never
// pass it.
func (j *schemaJudge) callers(root *asks) {
	if root == nil {
		return
	}
	all := j.admits(j.method.Rule.GetAccessToken(), root)
	if len(all) == 0 {
		return
	}
	somePass := false
	for i := range all {
		caller := &all[i]
		caller.passes = j.passes(root, caller)
		somePass = somePass || caller.passes
	}
	for i := range all {
		caller := &all[i]
		if caller.passes || caller.unmapped && !allOwn(caller.bars) || slices.ContainsFunc(all[:i], func(other admitted) bool { return sameBars(&other, caller) }) {
			continue
		}
		j.barred(caller, all, somePass)
	}
}

// admits returns the sorts of callers that the rule admits, and reports configured
// subjects that the schema doesn't have.
func (j *schemaJudge) admits(token *authzv1.AccessToken, root *asks) []admitted {
	about := root.aboutCaller()
	kinds := token.GetKinds()
	if len(kinds) == 0 {
		kinds = []authzv1.Kind{authzv1.Kind_KIND_SERVICE, authzv1.Kind_KIND_USER}
	}
	var all []admitted
	for _, set := range j.configuredFor(token) {
		for _, kind := range kinds {
			caller := admitted{kind: kind, where: set.where + ".Service", text: set.subjects.Service, known: true}
			if kind == authzv1.Kind_KIND_USER {
				caller.where, caller.text = set.where+".User", set.subjects.User
			}
			switch {
			case j.unknown:
				caller.where = ""
			case caller.text == "" && len(token.GetKinds()) == 0:
				continue // refused whatever the rule asks: it has no subject
			case caller.text == "":
				caller.unmapped = true
			default:
				caller.subject, _ = subjectOf(caller.text)
				caller.known = !about || j.configuredKnown(&caller)
			}
			all = append(all, caller)
		}
	}

	return all
}

// configuredKnown reports whether the schema has a configured subject, and reports one
// that it doesn't have once.
func (j *schemaJudge) configuredKnown(caller *admitted) bool {
	if told, judged := j.told[caller.where]; judged {
		return !told
	}
	_, userset := subjectOf(caller.text)
	known := j.named(schema.Reference{Type: caller.subject.Type, Relation: caller.subject.Relation},
		caller.where, 0, caller.where, userset, "the subject "+quoted(caller.text)+": ")
	j.told[caller.where] = !known

	return known
}

// aboutCaller reports whether a check is about the caller's configured subject.
func (a *asks) aboutCaller() bool {
	switch {
	case a == nil:
		return false
	case a.check != nil:
		return a.check.own == nil
	default:
		return slices.ContainsFunc(a.parts, (*asks).aboutCaller)
	}
}

// passes reports whether a caller may pass, if every condition that isn't a check holds.
func (j *schemaJudge) passes(a *asks, caller *admitted) bool {
	switch {
	case a == nil:
		return true
	case a.check != nil:
		may := j.may(a.check, caller)
		if !may {
			caller.bars = append(caller.bars, a.check)
		}

		return may
	}
	passed := 0
	for _, part := range a.parts {
		if j.passes(part, caller) {
			passed++
		}
	}
	if a.all {
		return passed == len(a.parts)
	}

	return passed > 0
}

// may reports whether a check may hold for a caller. One that has another fault may.
func (j *schemaJudge) may(c *asked, caller *admitted) bool {
	subject := caller.subject
	switch {
	case !c.known:
		return true
	case c.own != nil:
		subject = *c.own
	case caller.unmapped:
		return false
	case caller.text == "" || !caller.known:
		return true
	}

	return j.holdersOf(c.of).May(subject.Type, subject.Relation)
}

// sameBars reports whether two sorts of callers fail for the same reason, so that one
// fault tells it.
func sameBars(a, b *admitted) bool {
	if a.passes || !slices.Equal(a.bars, b.bars) {
		return false
	}

	return a.kind == b.kind && a.text == b.text || allOwn(a.bars)
}

func allOwn(bars []*asked) bool {
	return !slices.ContainsFunc(bars, func(c *asked) bool { return c.own == nil })
}

// maxListed is how many names a fault lists.
const maxListed = 12

// barred makes the fault of callers that can never pass.
func (j *schemaJudge) barred(caller *admitted, all []admitted, somePass bool) {
	const most = 3
	var why []string
	for i, bar := range caller.bars {
		if i == most {
			why = append(why, "...")

			break
		}
		subject, text := caller.subject, caller.text
		if bar.own != nil {
			subject, text = *bar.own, bar.ownText
		}
		why = append(why, quoted(text)+" can't have "+quoted(bar.of.Relation)+" of "+quoted(bar.of.Type)+", which the schema"+j.source()+" gives to "+
			listed(j.holdersOf(bar.of).Subjects, subject))
	}
	bar := caller.bars[0]
	path, subject := bar.path, caller.subject
	who, fix := "a "+kindName(caller.kind)+" can never pass: ", ""
	if allOwn(caller.bars) {
		path, subject = path+".subject", *bar.own
		who, fix = "no caller can pass: ", "ask about a subject that can have it, or "
	} else if other := otherPasses(all); other != 0 {
		fix = "admit " + other.String() + " alone in access_token.kinds, or "
	}
	fix += "let the model's relation take " + quoted(subject.String())
	if can := j.relationsOf(bar.of.Type, subject); can != "" {
		fix += ", or ask for a relation that it can have: " + can
	}
	if len(caller.bars) > 1 {
		path, _, _ = strings.Cut(path, ".")
	}
	j.fail(FaultSchemaSubject, path, -1, who+strings.Join(why, "; "), fix)
	if somePass {
		j.reviewOnly()
	}
}

// otherPasses returns the kind whose callers all can pass if those of the other can't,
// zero if there is none.
func otherPasses(all []admitted) authzv1.Kind {
	var pass, fail [3]bool
	for i := range all {
		if kind := all[i].kind; kind > 0 && int(kind) < len(pass) {
			pass[kind] = pass[kind] || all[i].passes
			fail[kind] = fail[kind] || !all[i].passes
		}
	}
	for _, kind := range []authzv1.Kind{authzv1.Kind_KIND_SERVICE, authzv1.Kind_KIND_USER} {
		if pass[kind] && !fail[kind] {
			return kind
		}
	}

	return 0
}

func kindName(kind authzv1.Kind) string {
	if kind == authzv1.Kind_KIND_SERVICE {
		return "service"
	}

	return "user"
}

// listed returns the subjects that can have a relation, those of the subject's own type
// first.
func listed(subjects []schema.Subject, subject schema.Subject) string {
	if len(subjects) == 0 {
		return "nothing"
	}
	subjects = slices.Clone(subjects)
	slices.SortStableFunc(subjects, func(a, b schema.Subject) int {
		switch aSame, bSame := a.Type == subject.Type, b.Type == subject.Type; {
		case aSame && !bSame:
			return -1
		case bSame && !aSame:
			return 1
		default:
			return 0
		}
	})
	names := make([]string, 0, maxListed)
	for i, holder := range subjects {
		if i == maxListed {
			names = append(names, "and "+strconv.Itoa(len(subjects)-i)+" more")

			break
		}
		names = append(names, quoted(holder.String()))
	}

	return strings.Join(names, ", ")
}

// relationsOf returns the relations of a type that a subject can have, empty if there is
// none among the first.
func (j *schemaJudge) relationsOf(typeName string, subject schema.Subject) string {
	const most = 64
	var names []string
	relations := j.schema.Type(typeName).Relations
	for i := range relations[:min(len(relations), most)] {
		ref := schema.Reference{Type: typeName, Relation: relations[i].Name}
		if holders := j.holdersOf(ref); !holders.Unknown && holders.May(subject.Type, subject.Relation) && len(names) < maxListed {
			names = append(names, quoted(ref.Relation))
		}
	}

	return strings.Join(names, ", ")
}
