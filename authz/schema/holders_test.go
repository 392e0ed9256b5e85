package schema_test

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/usher-auth/usher/authz/schema"
)

func direct(subjects ...schema.Subject) schema.Direct { return schema.Direct{Subjects: subjects} }

func computed(relation string) schema.Computed { return schema.Computed{Relation: relation} }

func through(tupleset, relation string) schema.Through {
	return schema.Through{Tupleset: tupleset, Relation: relation}
}

var (
	user    = schema.Subject{Type: "user"}
	service = schema.Subject{Type: "service"}
	folder  = schema.Subject{Type: "folder"}
	team    = schema.Subject{Type: "team"}
	member  = schema.Subject{Type: "team", Relation: "member"}
)

type relations map[string]schema.Expression

// build makes a schema of types and their relations.
func build(t testing.TB, types map[string]relations) *schema.Schema {
	t.Helper()
	var all []schema.Type
	for name, relations := range types {
		of := schema.Type{Name: name}
		for relation, expression := range relations {
			of.Relations = append(of.Relations, schema.Relation{Name: relation, Expression: expression})
		}
		all = append(all, of)
	}
	s, err := schema.New("test", all, []schema.Condition{{Name: "in_office"}})
	if err != nil {
		t.Fatal(err)
	}

	return s
}

func with(subject schema.Subject, condition string) schema.Subject {
	subject.Condition = condition

	return subject
}

func TestHolders(t *testing.T) {
	everyUser := schema.Subject{Type: "user", Wildcard: true}
	types := func(document relations) map[string]relations {
		return map[string]relations{
			"user": nil, "service": nil, "team": {"member": direct(user, member)},
			"folder":   {"viewer": direct(service), "parent": direct(folder), "view": schema.Union{computed("viewer"), through("parent", "view")}},
			"document": document,
		}
	}
	for name, c := range map[string]struct {
		document relations
		subjects string
		computed string
		unknown  bool
	}{
		"types":                       {relations{"r": direct(user, service)}, "service user", "document#r", false},
		"a wildcard is its type":      {relations{"r": direct(everyUser)}, "user", "document#r", false},
		"a condition changes nothing": {relations{"r": direct(with(user, "in_office"))}, "user", "document#r", false},
		"a userset and its members":   {relations{"r": direct(member)}, "team#member user", "document#r", false},
		"what is computed":            {relations{"r": schema.Union{direct(service), computed("s")}, "s": direct(user)}, "service user", "document#r document#s", false},
		"through an arrow":            {relations{"r": through("p", "view"), "p": direct(folder)}, "service", "document#r folder#view folder#viewer", false},
		"the arrow's tupleset is no holder of what it leads to": {relations{"r": through("p", "viewer"), "p": direct(user, folder)}, "service", "document#r folder#viewer", false},
		"an arrow over usersets goes on from their objects":     {relations{"r": through("p", "member"), "p": direct(member)}, "team#member user", "document#r", false},
		"an arrow over a union":                                 {relations{"r": through("p", "view"), "p": schema.Union{direct(folder), computed("q")}, "q": direct(team)}, "service", "document#r folder#view folder#viewer", false},
		"an arrow over an arrow":                                {relations{"r": through("p", "view"), "p": through("q", "parent"), "q": direct(folder)}, "", "document#r", true},
		"both parts of an intersection":                         {relations{"r": schema.Intersection{direct(user, service), computed("s")}, "s": direct(user, team)}, "user", "document#r", false},
		"an intersection that nobody can have":                  {relations{"r": schema.Intersection{direct(user), computed("s")}, "s": direct(service)}, "", "document#r", false},
		"an intersection with an unknown part":                  {relations{"r": schema.Intersection{direct(user), schema.Unknown{}}}, "user", "document#r", false},
		"an intersection of nothing":                            {relations{"r": schema.Intersection{}}, "", "document#r", true},
		"the base of an exclusion":                              {relations{"r": schema.Exclusion{Base: direct(user), Except: schema.Unknown{}}}, "user", "document#r", false},
		"itself":                                                {relations{"r": schema.Union{schema.Self{}, direct(user)}}, "document user", "document#r", false},
		"unknown":                                               {relations{"r": schema.Union{schema.Unknown{}, direct(user)}}, "user", "document#r", true},
		"unknown with what it reads": {
			relations{"r": schema.Unknown{Reads: []schema.Reference{{Type: "document", Relation: "s"}}, Subjects: []schema.Subject{team}}, "s": direct(user)},
			"team user", "document#r document#s", false,
		},
		"unknown that reads nothing":                {relations{"r": schema.Unknown{Reads: []schema.Reference{}}}, "", "document#r", false},
		"unknown that reads what isn't defined":     {relations{"r": schema.Unknown{Reads: []schema.Reference{{Type: "x", Relation: "y"}}}}, "", "document#r", true},
		"row 62: a relation that isn't defined":     {relations{"r": computed("nope")}, "", "document#r", false},
		"row 62: a cycle":                           {relations{"r": computed("s"), "s": schema.Union{computed("r")}}, "", "document#r document#s", false},
		"row 62: a cycle that somebody gets into":   {relations{"r": computed("s"), "s": schema.Union{computed("r"), direct(user)}}, "user", "document#r document#s", false},
		"row 62: a cycle through intersections":     {relations{"r": schema.Intersection{direct(user, team), computed("s")}, "s": schema.Union{computed("r"), direct(user)}}, "user", "document#r", false},
		"row 62: an intersection that needs itself": {relations{"r": schema.Intersection{direct(user), computed("r")}}, "", "document#r", false},
		"nobody at all":                             {relations{"r": direct()}, "", "document#r", false},
	} {
		t.Run(name, func(t *testing.T) {
			h := build(t, types(c.document)).Holders("document", "r")
			if got := join(h.Subjects); got != c.subjects || h.Unknown != c.unknown {
				t.Errorf("holders %q, unknown %v; want %q, %v", got, h.Unknown, c.subjects, c.unknown)
			}
			if got := join(h.Computed); got != c.computed {
				t.Errorf("computed %q, want %q", got, c.computed)
			}
		})
	}
	t.Run("of a relation that isn't defined are none", func(t *testing.T) {
		if h := build(t, types(nil)).Holders("document", "r"); !reflect.DeepEqual(h, schema.Holders{}) {
			t.Errorf("holders %+v", h)
		}
	})
	t.Run("of a schema whose answer was changed by its caller", func(t *testing.T) {
		s := build(t, types(relations{"r": direct(user)}))
		s.Holders("document", "r").Subjects[0].Type = "changed"
		if got := join(s.Holders("document", "r").Subjects); got != "user" {
			t.Errorf("holders %q", got)
		}
	})
}

func TestIntersectionsOfManyTypes(t *testing.T) {
	types := map[string]relations{}
	var some, others []schema.Subject
	for i := range 300 {
		subject := schema.Subject{Type: fmt.Sprintf("t%03d", i)}
		types[subject.Type] = nil
		if i%2 == 0 {
			some = append(some, subject)
		}
		if i%3 == 0 {
			others = append(others, subject)
		}
	}
	types["document"] = relations{"r": schema.Intersection{direct(some...), computed("s")}, "s": direct(others...)}
	h := build(t, types).Holders("document", "r")
	if len(h.Subjects) != 50 || !h.May("t294", "") || h.May("t297", "") || h.Unknown {
		t.Errorf("holders %v", h)
	}
}

func join(subjects []schema.Subject) string {
	texts := make([]string, len(subjects))
	for i, s := range subjects {
		texts[i] = s.String()
	}

	return strings.Join(texts, " ")
}

func TestMay(t *testing.T) {
	h := schema.Holders{Subjects: []schema.Subject{user}, Computed: []schema.Subject{member}}
	if !h.May("user", "") || !h.May("team", "member") || h.May("team", "") || h.May("user", "member") {
		t.Errorf("May of %+v is wrong", h)
	}
	if h.Unknown = true; !h.May("anything", "") {
		t.Error("what isn't known may be anybody")
	}
}

func TestConditions(t *testing.T) {
	s := build(t, map[string]relations{
		"user": nil, "team": {"member": direct(with(user, "of_member"))},
		"folder": {"viewer": direct(with(user, "of_viewer"))},
		"document": {
			"parent": direct(with(folder, "of_parent")), "banned": direct(with(user, "of_banned")), "direct": direct(member, with(user, "in_office")),
			"arrow": through("parent", "viewer"), "except": schema.Exclusion{Base: computed("direct"), Except: computed("banned")},
			"none": direct(user), "unknown": schema.Unknown{}, "reads": schema.Unknown{Reads: []schema.Reference{{Type: "document", Relation: "arrow"}}},
			"excludes_unknown": schema.Exclusion{Base: direct(user), Except: computed("unknown")}, "loop": schema.Union{computed("loop"), computed("banned")},
		},
	})
	for relation, want := range map[string]string{
		"direct": "in_office of_member", "arrow": "of_parent of_viewer", "except": "in_office of_banned of_member", "none": "",
		"unknown": "", "reads": "of_parent of_viewer", "excludes_unknown": "", "loop": "of_banned", "nope": "",
	} {
		if got := strings.Join(s.ConditionsOf("document", relation), " "); got != want {
			t.Errorf("conditions of %s = %q, want %q", relation, got, want)
		}
		incomplete := strings.Contains(relation, "unknown") || relation == "nope"
		if s.Complete("document", relation) == incomplete {
			t.Errorf("Complete(%s) = %v", relation, !incomplete)
		}
	}
}

func TestUndefined(t *testing.T) {
	s, err := schema.New("model.fga", []schema.Type{
		{Name: "user"},
		{Name: "folder", Relations: []schema.Relation{{Name: "viewer", Expression: direct(user)}}},
		{Name: "document", Relations: []schema.Relation{
			{Name: "a", Line: 7, Expression: direct(user, schema.Subject{Type: "ghost"}, schema.Subject{Type: "folder", Relation: "gone"}, with(user, "never"))},
			{Name: "b", Line: 8, Expression: schema.Union{computed("c"), computed("c"), through("p", "viewer"), through("p", "nobodys"), through("q", "viewer")}},
			{Name: "p", Expression: direct(folder, user)},
			{Name: "z", Expression: schema.Intersection{schema.Exclusion{Base: schema.Self{}, Except: schema.Unknown{Reads: []schema.Reference{{Type: "ghost", Relation: "r"}}}}}},
		}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`schema: model.fga:7: relation "a" of type "document" names the undefined type "ghost"`,
		`schema: model.fga:7: relation "a" of type "document" reads the undefined relation "gone" of type "folder"`,
		`schema: model.fga:7: relation "a" of type "document" names the undefined condition "never"`,
		`schema: model.fga:8: relation "b" of type "document" reads the undefined relation "c" of type "document"`,
		`schema: model.fga:8: relation "b" of type "document" reads relation "nobodys" through "p", which leads to no type that has it`,
		`schema: model.fga:8: relation "b" of type "document" reads the undefined relation "q" of type "document"`,
		`schema: model.fga: relation "z" of type "document" reads relation "r" of the undefined type "ghost"`,
	}
	got := s.Undefined()
	if len(got) != len(want) {
		t.Fatalf("faults: %v", got)
	}
	for i, err := range got {
		if err.Error() != want[i] {
			t.Errorf("fault %d: %v\nwant %s", i, err, want[i])
		}
	}
}

func TestUndefinedIsBounded(t *testing.T) {
	all := schema.Union{}
	for i := range 5000 {
		all = append(all, computed(fmt.Sprint("gone", i)))
	}
	if n := len(build(t, map[string]relations{"a": {"r": all}, "b": {"r": all}}).Undefined()); n != 100 {
		t.Errorf("%d faults, want 100", n)
	}
}

func TestConcurrentUse(t *testing.T) {
	s := build(t, map[string]relations{"user": nil, "team": {"member": direct(user, member), "admin": schema.Intersection{computed("member"), direct(user)}}})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if !s.Holders("team", "admin").May("user", "") || !s.Implies("team", "admin", "member") || !s.Complete("team", "admin") || s.Undefined() != nil {
				t.Error("a wrong answer")
			}
		})
	}
	wg.Wait()
}
