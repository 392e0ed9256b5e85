package schema_test

import (
	"testing"

	"github.com/usher-auth/usher/authz/schema"
)

func TestImplies(t *testing.T) {
	and := func(parts ...schema.Expression) schema.Expression { return schema.Intersection(parts) }
	or := func(parts ...schema.Expression) schema.Expression { return schema.Union(parts) }
	not := func(base, except schema.Expression) schema.Expression {
		return schema.Exclusion{Base: base, Except: except}
	}
	all := func(tupleset, relation string) schema.Expression {
		return schema.Through{Tupleset: tupleset, Relation: relation, All: true}
	}
	users := direct(user)
	tree := func(of relations) relations {
		of["parent"] = direct(folder)

		return of
	}
	folders := tree(relations{
		"owner": users, "viewer": users, "edit": or(computed("owner"), through("parent", "edit")),
		"view": or(computed("viewer"), computed("owner"), through("parent", "view")),
	})
	for name, c := range map[string]struct {
		document relations
		want     bool
	}{
		"relations that aren't defined":             {relations{}, false},
		"a member of a union":                       {relations{"a": users, "b": or(users, computed("a"))}, true},
		"not the union by its member":               {relations{"a": or(users, computed("b")), "b": users}, false},
		"two relations with the same subjects":      {relations{"a": users, "b": users}, false},
		"a chain":                                   {relations{"a": users, "b": computed("c"), "c": computed("d"), "d": or(users, computed("a"))}, true},
		"a part of an intersection":                 {relations{"a": and(users, computed("b")), "b": users}, true},
		"not the intersection by its part":          {relations{"a": users, "b": and(users, computed("a"))}, false},
		"an intersection of two implied":            {relations{"a": and(computed("c"), computed("d")), "b": and(computed("d"), or(computed("c"), users)), "c": users, "d": users}, true},
		"each part of a union":                      {relations{"a": or(computed("c"), computed("d")), "b": or(computed("d"), computed("c")), "c": users, "d": users}, true},
		"not all parts of a union":                  {relations{"a": or(computed("c"), computed("d")), "b": computed("c"), "c": users, "d": users}, false},
		"the base of an exclusion":                  {relations{"a": not(computed("b"), users), "b": users}, true},
		"not the exclusion by its base":             {relations{"a": users, "b": not(computed("a"), users)}, false},
		"an exclusion of the same":                  {relations{"a": not(computed("c"), computed("x")), "b": not(or(users, computed("c")), computed("x")), "c": users, "x": users}, true},
		"an exclusion of less":                      {relations{"a": not(computed("c"), or(computed("x"), users)), "b": not(computed("c"), computed("x")), "c": users, "x": users}, true},
		"not an exclusion of more":                  {relations{"a": not(computed("c"), computed("x")), "b": not(computed("c"), or(computed("x"), users)), "c": users, "x": users}, false},
		"an exclusion of none of its subjects":      {relations{"a": direct(service), "b": not(or(users, computed("a")), computed("x")), "x": users}, true},
		"not an exclusion of some of its subjects":  {relations{"a": direct(service, user), "b": not(or(users, computed("a")), computed("x")), "x": users}, false},
		"a relation that nobody can have":           {relations{"a": direct(), "b": users}, true},
		"through the same arrow, step by step":      {tree(relations{"a": through("parent", "edit"), "b": through("parent", "view")}), true},
		"through the same arrow to what is implied": {tree(relations{"a": through("parent", "owner"), "b": or(users, through("parent", "view"))}), true},
		"through another arrow":                     {tree(relations{"a": through("parent", "owner"), "b": through("home", "owner"), "home": direct(folder)}), false},
		"through all to any":                        {tree(relations{"a": all("parent", "owner"), "b": through("parent", "view")}), true},
		"through all to all":                        {tree(relations{"a": all("parent", "owner"), "b": all("parent", "view")}), true},
		"not through any to all":                    {tree(relations{"a": through("parent", "owner"), "b": all("parent", "owner")}), false},
		"through an arrow to several types":         {relations{"parent": direct(folder, team), "a": through("parent", "owner"), "b": through("parent", "view")}, true},
		"not if one of the types lacks it":          {relations{"parent": direct(folder, team), "a": through("parent", "member"), "b": through("parent", "view")}, false},
		"a recursive relation in a recursive one":   {relations{"a": or(users, through("home", "a")), "b": or(computed("a"), through("home", "b")), "home": direct(schema.Subject{Type: "document"})}, true},
		"recursive relations, step by step": {
			relations{"a": or(computed("c"), through("home", "a")), "b": or(computed("c"), users, through("home", "b")), "c": users, "home": direct(schema.Subject{Type: "document"})}, true,
		},
		"not from nothing but itself":            {relations{"a": users, "b": or(computed("b"))}, false},
		"not from two that only have each other": {relations{"a": users, "b": or(computed("c")), "c": or(computed("b"))}, false},
		"what is unknown":                        {relations{"a": schema.Unknown{}, "b": schema.Unknown{}}, false},
		"what is unknown, but a part":            {relations{"a": schema.Unknown{}, "b": or(users, computed("a"))}, true},
		"unknown with the same reads":            {relations{"a": schema.Unknown{Reads: []schema.Reference{}}, "b": schema.Unknown{Reads: []schema.Reference{}}}, false},
		"the object itself":                      {relations{"a": schema.Self{}, "b": or(users, schema.Self{})}, true},
		"not an intersection of nothing":         {relations{"a": and(), "b": users}, false},
		"an exclusion on a cycle of relations":   {relations{"a": not(users, computed("b")), "b": or(users, computed("a"))}, false},
		"an exclusion on a cycle of objects":     {relations{"a": not(or(users, through("home", "a")), computed("x")), "b": computed("a"), "x": users, "home": direct(schema.Subject{Type: "document"})}, true},
		"a recursive exclusion of the same": {
			relations{
				"a": not(or(users, through("home", "a")), computed("x")), "b": not(or(users, computed("a"), through("home", "b")), computed("x")),
				"x": users, "home": direct(schema.Subject{Type: "document"}),
			}, true,
		},
		"an exclusion of less, which may be cut short at a cycle": {relations{"a": not(computed("c"), computed("x")), "b": not(computed("c"), and(computed("y"), computed("x"))), "c": users, "x": users, "y": direct(member)}, false},
		"an exclusion of less, which can't be":                    {relations{"a": not(computed("c"), computed("x")), "b": not(computed("c"), and(computed("y"), computed("x"))), "c": users, "x": users, "y": users}, true},
		"recursive exclusions, step by step": {
			relations{
				"a": not(or(computed("c"), through("home", "a")), computed("x")), "b": not(or(computed("c"), users, through("home", "b")), computed("x")),
				"c": users, "x": users, "home": direct(schema.Subject{Type: "document"}),
			}, true,
		},
		"an exclusion of what is recursive, if the same is": {relations{"a": not(computed("c"), direct(member)), "b": not(computed("c"), computed("x")), "c": users, "x": direct(member)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := build(t, map[string]relations{"user": nil, "service": nil, "team": {"member": direct(user, member)}, "folder": folders, "document": c.document})
			if got := s.Implies("document", "a", "b"); got != c.want {
				t.Errorf("Implies = %v, want %v", got, c.want)
			}
			if !s.Implies("document", "a", "a") {
				t.Error("a relation doesn't imply itself")
			}
		})
	}
}
