package engine

import "fmt"

// Tuple is one relationship: the user has the relation to the object.
type Tuple struct{ User, Relation, Object string }

// String is the tuple as Zanzibar writes it.
func (t Tuple) String() string { return t.Object + "#" + t.Relation + "@" + t.User }

// People are the relationships that the demo's table is about.
//
//	company ── handbook ── drafts ── vision
//	        │     ├──── onboarding
//	        │     ├──── holidays
//	        │     └──── scratch
//	        └─ payroll ── salaries
//
// reader is a member of team docs, which may view the handbook; writer may edit
// the handbook and owns one document; stranger was shown one document.
var People = []Tuple{
	{"folder:company", "parent", "folder:handbook"},
	{"folder:handbook", "parent", "folder:drafts"},
	{"folder:company", "parent", "folder:payroll"},
	{"folder:handbook", "parent", "document:onboarding"},
	{"folder:handbook", "parent", "document:holidays"},
	{"folder:handbook", "parent", "document:scratch"},
	{"folder:drafts", "parent", "document:vision"},
	{"folder:payroll", "parent", "document:salaries"},
	{"user:olga", "owner", "folder:company"},
	{"service:reader", "member", "team:docs"},
	{"team:docs#member", "viewer", "folder:handbook"},
	{"service:writer", "editor", "folder:handbook"},
	{"service:writer", "owner", "document:scratch"},
	{"service:stranger", "viewer", "document:holidays"},
}

// Conditional is a relationship that holds under a condition of the model.
type Conditional struct {
	Tuple

	Condition string
}

// Publishers are the relationships by which PublishDocument is decided, besides the
// editors: reader may publish one document within the company.
var Publishers = []Conditional{
	{Tuple{"service:reader", "publish", "document:onboarding"}, "internal"},
}

// Size of the rest of the company, which is there so that the engine has
// something to search: 12 departments of 12 people, 8 folders and 80 documents.
const (
	departments        = 12
	peopleOfDepartment = 12
	foldersOfDepart    = 8
	documentsOfFolder  = 10
)

// Company is the rest of the company: more than 1,000 relationships that none
// of the demo's callers has a part in.
func Company() []Tuple {
	var tuples []Tuple
	add := func(user, relation, object string) { tuples = append(tuples, Tuple{user, relation, object}) }
	for d := range departments {
		team := fmt.Sprintf("team:department-%d", d)
		top := fmt.Sprintf("folder:department-%d", d)
		for p := range peopleOfDepartment {
			add(fmt.Sprintf("user:employee-%d-%d", d, p), "member", team)
		}
		add("folder:company", "parent", top)
		add(team+"#member", "viewer", top)
		add(fmt.Sprintf("user:employee-%d-0", d), "editor", top)
		for f := range foldersOfDepart {
			folder := fmt.Sprintf("folder:department-%d-%d", d, f)
			add(top, "parent", folder)
			for n := range documentsOfFolder {
				add(folder, "parent", fmt.Sprintf("document:department-%d-%d-%d", d, f, n))
			}
		}
	}
	return tuples
}
