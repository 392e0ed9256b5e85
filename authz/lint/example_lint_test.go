package lint_test

import (
	"fmt"

	cookbookv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/cookbook/v1"
	"github.com/usher-auth/usher/authz/lint"
	"github.com/usher-auth/usher/authz/schema"
)

func ExampleLint() {
	policy, err := lint.Compile(lint.Source{Files: one{cookbookv1.File_usher_test_cookbook_v1_cookbook_proto}})
	if err != nil {
		fmt.Println(err)

		return
	}
	users := schema.Direct{Subjects: []schema.Subject{{Type: "user"}}}
	model, err := schema.New("model.fga", []schema.Type{
		{Name: "user"},
		{Name: "project", Relations: []schema.Relation{{Name: "admin", Expression: users}}},
		{Name: "report", Relations: []schema.Relation{{Name: "viewer", Expression: users}}},
	}, nil)
	if err != nil {
		fmt.Println(err)

		return
	}
	for _, finding := range lint.Lint(policy, lint.Config{Schema: model}) {
		fmt.Println(finding.ID, finding.Method, finding.Path)
		fmt.Println(finding.Problem)
		fmt.Println(finding.Fix)
	}
	// Output:
	// USHER_SCHEMA_TYPE usher.test.cookbook.v1.ExpressionsService/InviteGuest rule.all_of.conditions[0].check.object
	// the schema "model.fga" has no type "document"
	// the schema has "project", "report", "user"; write one of them, or add the type to the model
	// USHER_SCHEMA_RELATION usher.test.cookbook.v1.RolesService/DeleteProject rule.any_of.conditions[1].check.relation
	// the schema "model.fga" has no relation "owner" of type "project"
	// it has "admin"; write one of them, or add the relation to the model
}
