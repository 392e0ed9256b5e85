package lint_test

import (
	"fmt"

	cookbookv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/cookbook/v1"
	"github.com/usher-auth/usher/authz/lint"
)

func ExampleLint() {
	policy, err := lint.Compile(lint.Source{Files: one{cookbookv1.File_usher_test_cookbook_v1_cookbook_proto}})
	if err != nil {
		fmt.Println(err)

		return
	}
	for _, finding := range lint.Lint(policy, lint.Config{}) {
		fmt.Println(finding.ID, finding.Method, finding.Path)
		fmt.Println(finding.Problem)
	}
	// Output:
	// USHER_FIELD_READ usher.test.cookbook.v1.RolesService/PublishDocument rule.permission
	// document_id of the request probably names an object, and no part of the rule reads it, so a caller who passes may name any
}
