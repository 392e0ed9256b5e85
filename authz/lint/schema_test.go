package lint_test

import (
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lint"
	"github.com/usher-auth/usher/authz/schema"
)

// relation returns a relation that tuples give to subjects.
func relation(name string, subjects ...schema.Subject) schema.Relation {
	return schema.Relation{Name: name, Expression: schema.Direct{Subjects: subjects}}
}

var (
	users    = schema.Subject{Type: "user"}
	services = schema.Subject{Type: "service"}
	regional = schema.Condition{Name: "in_region", Parameters: map[string]string{"region": "string"}}
)

// model returns a schema of documents and orders.
func model(t *testing.T, document, order []schema.Relation) *schema.Schema {
	t.Helper()
	s, err := schema.New("model.fga", []schema.Type{
		{Name: "user"}, {Name: "service"}, {Name: "document", Relations: document}, {Name: "order", Relations: order},
	}, []schema.Condition{regional})
	if err != nil {
		t.Fatal(err)
	}

	return s
}

// TestLintComparesWithTheSchema gives one rule a schema that it doesn't fit, and the one
// that it fits.
func TestLintComparesWithTheSchema(t *testing.T) {
	const get, wrapped = seedsPackage + "Fixes/GetDocument", seedsPackage + "Shop/GetWrapped"
	inRegion := schema.Subject{Type: "user", Condition: regional.Name}
	viewer := []schema.Relation{relation("viewer", users, services)}
	for name, c := range map[string]struct {
		method   string
		schema   *schema.Schema
		id, path string
		at       string
	}{
		"a type and a relation that it has":         {get, model(t, viewer, nil), "", "", ""},
		"a relation that it doesn't have":           {get, model(t, []schema.Relation{relation("reader", users)}, nil), authz.FaultSchemaRelation, "rule.check.relation", `relation: "viewer"`},
		"a kind of caller that can't have it":       {get, model(t, []schema.Relation{relation("viewer", users)}, nil), authz.FaultSchemaSubject, "rule.check", "(.usher.authz.v1.rule)"},
		"a condition that the rule has no value of": {get, model(t, []schema.Relation{relation("viewer", inRegion, services)}, nil), authz.FaultSchemaContextLacking, "rule.check.context", "(.usher.authz.v1.rule)"},
		"a condition that it has a value of":        {wrapped, model(t, nil, []schema.Relation{relation("viewer", inRegion, services)}), "", "", ""},
		"a value that no condition takes":           {wrapped, model(t, nil, viewer), authz.FaultSchemaContext, "rule.check.context[0].name", "context: {"},
		"a rule that asks no engine":                {seedsPackage + "Shop/GetProfile", model(t, nil, nil), "", "", ""},
		"a type that it doesn't have":               {seedsPackage + "Shop/Walk", model(t, nil, nil), authz.FaultSchemaType, "rule.check.object", `object: "tree:{id}"`},
	} {
		t.Run(name, func(t *testing.T) {
			policy, err := lint.Compile(lint.Source{
				Files: seedFiles(t), Subjects: authz.Subjects{Service: "service:{$client_id}", User: "user:{$sub}"}, Issuers: []string{"corp"},
			})
			if err != nil {
				t.Fatal(err)
			}
			findings := lint.Lint(policy.Only(c.method), lint.Config{Schema: c.schema})
			if c.id == "" {
				if len(findings) > 0 {
					t.Errorf("got %v", findings)
				}

				return
			}
			if len(findings) != 1 || findings[0].ID != c.id || findings[0].Path != c.path {
				t.Fatalf("got %v, want %s at %s", findings, c.id, c.path)
			}
			f := findings[0]
			if f.Line == 0 || f.Descriptor == nil || !strings.HasPrefix(sourceAt(t, f), c.at) {
				t.Errorf("%s is at %q", f, sourceAt(t, f))
			}
			if without := lint.Lint(policy.Only(c.method), lint.Config{}); len(without) > 0 {
				t.Errorf("without a schema: %v", without)
			}
		})
	}
}

// TestKindsAreThoseThatLintFinds holds the list of kinds to the seeds and the schema's.
func TestKindsAreThoseThatLintFinds(t *testing.T) {
	listed := map[string]bool{}
	last := ""
	for _, kind := range lint.Kinds() {
		if kind.ID <= last || kind.Purpose == "" {
			t.Errorf("%q isn't sorted, or has no purpose", kind.ID)
		}
		last, listed[kind.ID] = kind.ID, true
	}
	seeded := map[string]bool{
		authz.FaultSchemaType: true, authz.FaultSchemaRelation: true, authz.FaultSchemaSubject: true,
		authz.FaultSchemaContext: true, authz.FaultSchemaContextLacking: true,
	}
	for _, of := range seeds {
		for _, s := range of {
			seeded[s.id] = true
		}
	}
	for id := range seeded {
		if !listed[id] {
			t.Errorf("%s isn't listed", id)
		}
		delete(listed, id)
	}
	if len(listed) > 0 {
		t.Errorf("no seed has %v", listed)
	}
}
