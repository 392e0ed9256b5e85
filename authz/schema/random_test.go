package schema_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/usher-auth/usher/authz/schema"
)

// worlds makes schemas and tuples at random.
type worlds struct{ random *rand.Rand }

var (
	relationNames  = []string{"r0", "r1", "r2", "r3"}
	conditionNames = []string{"c0", "c1"}
	ids            = []string{"1", "2"}
)

func (w worlds) pick(from []string) string { return from[w.random.IntN(len(from))] }

func (w worlds) schema() *schema.Schema {
	types := []schema.Type{{Name: "user"}, {Name: "bot"}}
	for _, name := range []string{"group", "doc"} {
		t := schema.Type{Name: name, Relations: []schema.Relation{{Name: "parent", Expression: schema.Direct{Subjects: w.parents(name)}}}}
		for _, relation := range relationNames {
			t.Relations = append(t.Relations, schema.Relation{Name: relation, Expression: w.expression(3, w.direct())})
		}
		types = append(types, t)
	}
	s, err := schema.New("random", types, []schema.Condition{{Name: "c0"}, {Name: "c1"}})
	if err != nil {
		panic(err)
	}

	return s
}

func (w worlds) parents(of string) []schema.Subject {
	parents := []schema.Subject{{Type: "group"}}
	if w.random.IntN(3) == 0 {
		parents = append(parents, schema.Subject{Type: of})
	}
	if w.random.IntN(6) == 0 {
		parents = append(parents, schema.Subject{Type: "group", Relation: w.pick(relationNames)})
	}

	return parents
}

// expression is one whose tuples, those of the relation itself, are the same everywhere.
func (w worlds) expression(depth int, direct schema.Direct) schema.Expression {
	kind := w.random.IntN(10)
	if depth == 0 {
		kind = w.random.IntN(5)
	}
	switch kind {
	case 0, 1:
		return direct
	case 2, 3:
		return schema.Computed{Relation: w.pick(relationNames)}
	case 4:
		return schema.Through{Tupleset: "parent", Relation: w.pick(relationNames), All: w.random.IntN(6) == 0}
	case 5, 6:
		return schema.Union{w.expression(depth-1, direct), w.expression(depth-1, direct)}
	case 7:
		return schema.Intersection{w.expression(depth-1, direct), w.expression(depth-1, direct)}
	case 8:
		return schema.Exclusion{Base: w.expression(depth-1, direct), Except: w.expression(depth-1, direct)}
	default:
		if w.random.IntN(4) == 0 {
			return schema.Self{}
		}

		return schema.Union{w.expression(depth-1, direct), w.expression(0, direct), w.expression(0, direct)}
	}
}

func (w worlds) direct() schema.Direct {
	var d schema.Direct
	for range w.random.IntN(3) {
		s := schema.Subject{Type: w.pick([]string{"user", "bot", "group", "doc"})}
		switch {
		case s.Type == "user" || s.Type == "bot":
			s.Wildcard = w.random.IntN(5) == 0
		case w.random.IntN(2) == 0:
			s.Relation = w.pick(relationNames)
		}
		if w.random.IntN(4) == 0 {
			s.Condition = w.pick(conditionNames)
		}
		d.Subjects = append(d.Subjects, s)
	}

	return d
}

// tuples are some of those that the schema allows.
func (w worlds) tuples(s *schema.Schema) map[string][]tuple {
	tuples := map[string][]tuple{}
	for _, typeName := range []string{"group", "doc"} {
		for _, relation := range s.Type(typeName).Relations {
			for _, subject := range named(relation.Expression, nil) {
				for _, id := range ids {
					if w.random.IntN(3) == 0 {
						continue
					}
					t := tuple{object: typeName + ":" + id, relation: relation.Name, subject: subject.Type + ":" + w.pick(ids), condition: subject.Condition}
					if subject.Wildcard {
						t.subject = subject.Type + ":*"
					} else if subject.Relation != "" {
						t.subject += "#" + subject.Relation
					}
					key := t.object + "#" + t.relation
					tuples[key] = append(tuples[key], t)
				}
			}
		}
	}

	return tuples
}

func named(e schema.Expression, found []schema.Subject) []schema.Subject {
	switch e := e.(type) {
	case schema.Direct:
		found = append(found, e.Subjects...)
	case schema.Union:
		for _, part := range e {
			found = named(part, found)
		}
	case schema.Intersection:
		for _, part := range e {
			found = named(part, found)
		}
	case schema.Exclusion:
		found = named(e.Except, named(e.Base, found))
	}

	return found
}

func subjects() []schema.Subject {
	all := []schema.Subject{{Type: "user"}, {Type: "bot"}, {Type: "group"}, {Type: "doc"}}
	for _, relation := range relationNames {
		all = append(all, schema.Subject{Type: "group", Relation: relation}, schema.Subject{Type: "doc", Relation: relation})
	}

	return all
}

func name(s schema.Subject, id string) string {
	if s.Relation != "" {
		return s.Type + ":" + id + "#" + s.Relation
	}

	return s.Type + ":" + id
}

// Whatever an engine does at cycles of tuples, none of those that aren't holders is
// allowed, nor may become so by context, and no implication is broken.
func TestAgainstEveryWorld(t *testing.T) {
	schemas, tries := 60, 8
	if testing.Short() {
		schemas = 30
	}
	random := rand.New(rand.NewPCG(16, 1))
	w := worlds{random}
	pairs, implied, missed, tight, loose := 0, 0, 0, 0, 0
	for n := range schemas {
		s := w.schema()
		var runs []*oracle
		for range tries {
			tuples := w.tuples(s)
			conditions := map[string]verdict{"c0": verdict(random.IntN(3)), "c1": verdict(random.IntN(3))}
			for cycle := cycleDenies; cycle <= cycleFails; cycle++ {
				runs = append(runs, &oracle{schema: s, tuples: tuples, conditions: conditions, cycle: cycle})
			}
		}
		for _, typeName := range []string{"group", "doc"} {
			had := map[string]map[string][]verdict{} // relation, subject
			for _, relation := range relationNames {
				holders := s.Holders(typeName, relation)
				had[relation] = map[string][]verdict{}
				for _, subject := range subjects() {
					may, ever := holders.May(subject.Type, subject.Relation), false
					for i, run := range runs {
						for _, id := range ids {
							who := name(subject, id)
							v := run.check(typeName+":1", relation, who)
							had[relation][who] = append(had[relation][who], v)
							if v == allowed && !may {
								t.Fatalf("schema %d, run %d: %s has %s of %s:1, and isn't in %+v\n%s", n, i, who, relation, typeName, holders, show(s))
							}
							ever = ever || v == allowed
						}
					}
					if may && ever {
						tight++
					} else if may {
						loose++
					}
				}
			}
			for _, a := range relationNames {
				for _, b := range relationNames {
					if a == b {
						continue
					}
					pairs++
					broken := ""
					for _, subject := range subjects()[:4] {
						for _, id := range ids {
							who := name(subject, id)
							for i, v := range had[a][who] {
								if v == allowed && had[b][who][i] == denied {
									broken = fmt.Sprintf("run %d: %s", i, who)
								}
							}
						}
					}
					implies := s.Implies(typeName, a, b)
					if implies && broken != "" {
						t.Fatalf("schema %d: %s#%s implies %s, but not in %s\n%s", n, typeName, a, b, broken, show(s))
					}
					if implies {
						implied++
					} else if broken == "" {
						missed++
					}
				}
			}
		}
	}
	t.Logf("%d pairs: %d implied, %d others never seen broken in %d worlds; holders: %d seen, %d never seen", pairs, implied, missed, tries, tight, loose)
	if implied == 0 {
		t.Error("no implication was found")
	}
}

func show(s *schema.Schema) string {
	text := ""
	for _, typeName := range s.Types() {
		for _, relation := range s.Type(typeName).Relations {
			text += fmt.Sprintf("%s#%s = %#v\n", typeName, relation.Name, relation.Expression)
		}
	}

	return text
}
