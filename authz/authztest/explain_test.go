package authztest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
)

func trace(step *authz.Trace, indent string) string {
	if step == nil {
		return ""
	}
	var text strings.Builder
	text.WriteString(indent + step.String() + "\n")
	for _, within := range step.Steps {
		text.WriteString(trace(within, indent+"  "))
	}

	return text.String()
}

func TestExplainShowsTheWalk(t *testing.T) {
	engine := authztest.NewModelEngine(authztest.SuiteModel())
	if _, err := engine.Write(t.Context(), authztest.MustTuples(
		"document:1#parent@folder:a", "folder:a#viewer@team:eng#member", "team:eng#member@user:ann", "document:1#guest@user:bob[on_network]",
	)...); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"document:1#view@user:ann": `document:1#view@user:ann allowed
  document:1#viewer@user:ann denied
  document:1#edit@user:ann denied
    document:1#owner@user:ann denied
    document:1#editor@user:ann denied
    folder:a#edit@user:ann denied
      folder:a#owner@user:ann denied
      folder:a#editor@user:ann denied
  folder:a#view@user:ann allowed
    folder:a#viewer@user:ann allowed
      team:eng#member@user:ann allowed
`,
		"document:1#visit@user:bob": `document:1#visit@user:bob conditional without "trusted"
  document:1#guest@user:bob conditional: condition on_network lacks trusted
`,
	} {
		tuple := authztest.MustTuples(text)[0]
		query := authz.Query{Object: tuple.Object, Relation: tuple.Relation, Subject: tuple.Subject}
		explanation, err := authz.Explain(t.Context(), engine, query, authz.Consistency{})
		if got := trace(explanation.Trace, ""); err != nil || got != want {
			t.Errorf("%v\n%swant\n%s", err, got, want)
		}
		if result, err := engine.Check(t.Context(), authz.Batch{Queries: []authz.Query{query}}); err != nil || result.Answers[0].Effect != explanation.Answer.Effect {
			t.Errorf("Check says %+v, %v", result, err)
		}
	}
	if explanation, err := authz.Explain(t.Context(), engine, authz.Query{Relation: "no"}, authz.Consistency{}); err != nil || explanation.Answer.Err == nil || explanation.Trace != nil {
		t.Errorf("%+v, %v", explanation, err)
	}
}

func TestExplainOfACycleEnds(t *testing.T) {
	engine := authztest.NewEngine("team:a#member@team:b#member", "team:b#member@team:a#member")
	query := authz.Query{Object: authz.Object{Type: "team", ID: "a"}, Relation: "member", Subject: authz.Subject{Type: "user", ID: "ann"}}
	explanation, err := authz.Explain(t.Context(), engine, query, authz.Consistency{})
	if err != nil || explanation.Answer.Err == nil || explanation.Trace == nil {
		t.Errorf("%+v, %v", explanation, err)
	}
}

func ExampleEngine_Explain() {
	engine := authztest.NewEngine("document:1#viewer@team:eng#member", "team:eng#member@user:ann")
	explanation, err := authz.Explain(context.Background(), engine, authz.Query{
		Object: authz.Object{Type: "document", ID: "1"}, Relation: "viewer", Subject: authz.Subject{Type: "user", ID: "ann"},
	}, authz.Consistency{})
	if err != nil {
		fmt.Println(err)

		return
	}
	fmt.Print(trace(explanation.Trace, ""))
	// Output:
	// document:1#viewer@user:ann allowed
	//   team:eng#member@user:ann allowed
}
