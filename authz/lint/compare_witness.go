package lint

import (
	"slices"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/quote"
)

// witness is a call that one rule admits and the other one refuses, as little of it as
// tells them apart.
type witness struct {
	// has is what is true of it, and lacks what isn't.
	has, lacks []atomID
	// only are those of has that callers whom the other rule admits needn't have.
	only []atomID
	// world is all that is true of it.
	world []bool
}

// witness returns the call that the solver has found, without what doesn't matter.
func (p *rulePair) witness(admits, refuses *built, requirement formulaID) *witness {
	w := &witness{world: make([]bool, len(p.atoms.list))}
	for i := range w.world {
		w.world[i] = p.solver.value[i] == 1
	}
	for _, id := range p.support(requirement) {
		if !w.world[id] {
			w.lacks = append(w.lacks, id)
		}
	}
	for _, id := range p.support(admits.whole) {
		if w.world[id] {
			w.has = append(w.has, id)
		}
	}
	// What is true must be enough to be admitted.
	w.has = p.fewest(w.has, func(world []bool) bool {
		p.close(world)

		return p.holds(admits.whole, world, &p.left)
	}, false)
	// What isn't true must be enough to be refused.
	w.lacks = p.fewest(w.lacks, func(world []bool) bool { return !p.holds(requirement, world, &p.left) }, true)
	// What both rules require beside this one requirement goes without saying.
	w.only = p.apart(admits, refuses, requirement, w.has)

	return w
}

// apart returns what of a witness is needed for that which only the rule that admits it
// requires.
func (p *rulePair) apart(admits, refuses *built, refused formulaID, has []atomID) []atomID {
	var own []formulaID
	for _, r := range admits.requirements {
		both := func(o requirement) bool { return o.node == r.node && o.node != refused }
		if !slices.ContainsFunc(refuses.requirements, both) {
			own = append(own, r.node)
		}
	}
	of := p.and(own...)
	if of == formulaTrue {
		return nil
	}
	needed := p.support(of)
	needed = slices.DeleteFunc(needed, func(id atomID) bool { return !slices.Contains(has, id) })

	return p.fewest(needed, func(world []bool) bool {
		p.close(world)

		return p.holds(of, world, &p.left)
	}, false)
}

// support returns the atoms of a formula, in the order in which they are told.
func (p *rulePair) support(id formulaID) []atomID {
	set := make([]bool, len(p.atoms.list))
	p.reads(id, set, &p.left)
	var found []atomID
	for i, has := range set {
		if has {
			found = append(found, atomID(i))
		}
	}
	slices.SortFunc(found, func(a, b atomID) int { return compareAtoms(&p.atoms.list[a], &p.atoms.list[b]) })

	return found
}

// fewest drops atoms one by one as long as what is left is enough, those first that tell
// least. In the world that enough is given only these have their value, and all others
// have the other one.
func (p *rulePair) fewest(ids []atomID, enough func(world []bool) bool, absent bool) []atomID {
	world := make([]bool, len(p.atoms.list))
	for i := len(ids) - 1; i >= 0 && p.left > 0; i-- {
		for at := range world {
			world[at] = absent
		}
		for at, id := range ids {
			if at != i {
				world[id] = !absent
			}
		}
		p.left -= len(world)
		if enough(world) {
			ids = slices.Delete(ids, i, i+1)
		}
	}

	return ids
}

// close adds to a world all that it implies.
func (p *rulePair) close(world []bool) {
	for namedAgain := true; namedAgain; {
		namedAgain = false
		for _, i := range p.implications {
			if p.left--; world[i.from] && !world[i.to] {
				world[i.to], namedAgain = true, true
			}
		}
	}
}

// maxListed bounds how many things of one sort a witness names.
const maxListed = 3

// phrases are the words of a witness.
type phrases struct {
	// token are attributes of the token, as in "with scope a".
	token []string
	// is and isNot are what the caller is, as in "viewer of document:{id}".
	is, isNot []string
	// call is what the request or the server says, as in "{user_id} is {$sub}".
	call []string
}

// words returns the witness in words.
func (w *witness) words(p *rulePair) string {
	has := w.only
	texts := phrases{}
	noun := w.noun(p)
	texts.issuer(w, p)
	texts.list("with scope ", "and", p.names(has, atomScope))
	texts.list("without scope ", "or", p.names(w.lacks, atomScope))
	texts.list("with role ", "and", p.names(has, atomRole))
	texts.list("without role ", "or", p.names(w.lacks, atomRole))
	texts.list("in group ", "and", p.names(has, atomGroup))
	texts.list("not in group ", "or", p.names(w.lacks, atomGroup))
	texts.list("with claim ", "and", p.names(has, atomClaim))
	texts.list("without claim ", "or", p.names(w.lacks, atomClaim))
	texts.list("with permission ", "and", p.names(has, atomHeldPermission))
	texts.list("without permission ", "or", p.names(w.lacks, atomHeldPermission))
	if acr := p.names(has, atomACR); len(acr) > 0 {
		texts.list("with acr ", "or", acr)
	} else {
		texts.list("without acr ", "or", p.names(w.lacks, atomACR))
	}
	texts.age(p, has, w.lacks)
	for _, id := range has {
		texts.add(&p.atoms.list[id], true, nil)
	}
	for _, id := range w.lacks {
		texts.add(&p.atoms.list[id], false, p.shared(has, id))
	}

	return texts.join(noun)
}

// noun returns the kind of the token if it matters, as in "service".
func (w *witness) noun(p *rulePair) string {
	for _, ids := range [][]atomID{w.has, w.lacks} {
		for _, id := range ids {
			if kind := p.atoms.list[id].kind; kind != atomKindService && kind != atomKindUser {
				continue
			}
			if user, ok := p.atoms.known[atom{kind: atomKindUser}]; ok && w.world[user] {
				return "user"
			}

			return "service"
		}
	}

	return ""
}

// names returns the names of the atoms of a kind, as they are shown.
func (p *rulePair) names(ids []atomID, kind atomKind) []string {
	var names []string
	for _, id := range ids {
		if a := &p.atoms.list[id]; a.kind == kind {
			name := worded(a.name)
			if kind == atomClaim {
				name = worded(a.object) + " " + quote.Value(a.name)
			}
			names = append(names, name)
		}
	}

	return names
}

// shared reports whether one of the atoms is a check of the same object for the same
// subject.
func (p *rulePair) shared(has []atomID, id atomID) *atom {
	of := &p.atoms.list[id]
	for _, other := range has {
		if a := &p.atoms.list[other]; a.kind == of.kind && a.object == of.object && a.subject == of.subject && a.given == of.given {
			return a
		}
	}

	return nil
}

func (t *phrases) list(before, joint string, names []string) {
	if len(names) > 0 {
		t.token = append(t.token, before+enumerated(names, joint))
	}
}

func (t *phrases) issuer(w *witness, p *rulePair) {
	for _, ids := range [][]atomID{w.only, w.lacks} {
		for _, id := range ids {
			if kind := p.atoms.list[id].kind; kind != atomIssuer && kind != atomOtherIssuer {
				continue
			}
			for i := range p.atoms.list {
				if a := &p.atoms.list[i]; a.kind == atomIssuer && w.world[i] {
					t.token = append(t.token, "of issuer "+worded(a.name))

					return
				}
			}
			t.token = append(t.token, "of another issuer")

			return
		}
	}
}

func (t *phrases) age(p *rulePair, has, lacks []atomID) {
	for _, id := range has {
		if a := &p.atoms.list[id]; a.kind == atomAge {
			t.token = append(t.token, "authenticated at most "+spanOf(a.age)+" ago")
		}
	}
	for _, id := range lacks {
		if a := &p.atoms.list[id]; a.kind == atomAge {
			t.token = append(t.token, "not authenticated in the last "+spanOf(a.age))
		}
	}
}

// add adds what isn't of the token. A negative about the same object as a positive is
// short.
func (t *phrases) add(a *atom, positive bool, shared *atom) {
	text := ""
	switch a.kind {
	case atomCheck:
		if text = worded(a.name); shared == nil {
			text += " of " + a.about()
		}
	case atomPermission:
		text = "permitted " + worded(a.name)
		if a.object != "" && shared == nil {
			text += " on " + a.about()
		}
	case atomAttributes:
		if text = "allowed to " + worded(a.name); shared == nil {
			text += " " + a.about()
		}
	case atomMatch:
		t.call = append(t.call, worded(a.object)+map[bool]string{true: " is ", false: " isn't "}[positive]+worded(a.name))
	case atomExpression:
		t.call = append(t.call, "the expression "+quote.Value(a.name)+map[bool]string{true: " is true", false: " is false"}[positive])
	case atomHandler:
		t.call = append(t.call, "the method's handler"+map[bool]string{true: " grants it", false: " doesn't grant it"}[positive])
	default:
		return
	}
	switch {
	case text == "":
	case positive:
		t.is = append(t.is, text)
	default:
		t.isNot = append(t.isNot, text)
	}
}

// about returns the object of a condition, with what else tells it from others.
func (a *atom) about() string {
	text := worded(a.object)
	if a.subject != "" {
		text += " as " + worded(a.subject)
	}
	if a.given != "" {
		text += " given " + worded(strings.TrimSuffix(a.given, ";"))
	}

	return text
}

// join returns all phrases as one.
func (t *phrases) join(kind string) string {
	relation := ""
	is, isNot := enumerated(t.is, "and"), enumerated(t.isNot, "or")
	switch {
	case is != "" && isNot != "":
		relation = "is " + is + " but not " + isNot
	case is != "":
		relation = "is " + is
	case isNot != "":
		relation = "isn't " + isNot
	}
	text := "any caller with a valid token"
	switch {
	case len(t.token) > 0:
		text = strings.TrimSpace("a "+kind) + " token " + strings.Join(t.token, ", ")
		if relation != "" {
			text += ", whose caller " + relation
		}
	case relation != "" && kind != "":
		text = "a " + kind + " that " + relation
	case relation != "":
		text = "a caller that " + relation
	case kind != "":
		text = "a " + kind + " token"
	case len(t.call) > 0:
		text = "a caller"
	}
	if len(t.call) > 0 {
		text += ", where " + enumerated(t.call, "and")
	}

	return text
}

// enumerated joins texts, a few of them.
func enumerated(texts []string, joint string) string {
	if more := len(texts) - maxListed; more > 1 {
		texts = append(texts[:maxListed:maxListed], "others")
	}
	if len(texts) < 2 {
		return strings.Join(texts, "")
	}
	last := len(texts) - 1

	return strings.Join(texts[:last], ", ") + " " + joint + " " + texts[last]
}

// worded returns a text of a rule as a witness shows it: bounded, and on one line.
func worded(text string) string {
	quoted := quote.Value(text)
	if quoted == `"`+text+`"` && text != "" {
		return text
	}

	return quoted
}

// spanOf returns a duration without what is zero, as in "5m".
func spanOf(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}

	return text
}
