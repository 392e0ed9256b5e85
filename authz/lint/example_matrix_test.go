package lint_test

import (
	"fmt"
	"os"

	"google.golang.org/protobuf/reflect/protoregistry"

	cookbookv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/cookbook/v1"
	"github.com/usher-auth/usher/authz/lint"
)

func ExampleNewMatrix() {
	files := &protoregistry.Files{} // of the services to review
	if err := files.RegisterFile(cookbookv1.File_usher_test_cookbook_v1_cookbook_proto); err != nil {
		fmt.Println(err)

		return
	}
	policy, err := lint.Compile(lint.Source{Files: files})
	if err != nil {
		fmt.Println(err)

		return
	}
	matrix, err := lint.NewMatrix(lint.MatrixConfig{
		Policies: []lint.NamedPolicy{{Policy: policy.Only("usher.test.cookbook.v1.RolesService/DeleteProject", "usher.test.cookbook.v1.LimitsService/GetNews")}},
		Title:    "Who may call the cookbook",
	})
	if err != nil {
		fmt.Println(err)

		return
	}
	if err := matrix.Text(os.Stdout); err != nil {
		fmt.Println(err)
	}

	// Output:
	// Who may call the cookbook: 2 methods of 2 services, 1 for any caller, 1 by condition
	//
	// usher.test.cookbook.v1.LimitsService
	//   METHOD   ACCESS      WHO MAY CALL                   AND
	//   GetNews  any caller  any caller with a valid token  limit 3 in 1m for each subject (inherited)
	//
	// usher.test.cookbook.v1.RolesService
	//   METHOD         ACCESS  WHO MAY CALL                                                AND
	//   DeleteProject  any of  permission projects.admin or owner of project:{project_id}
}
