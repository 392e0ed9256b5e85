package cel_test

import (
	"fmt"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/cel"
)

// The rules of an [authz.Authorizer] are compiled by the Compiler of its Config. Here,
// one expression is compiled and evaluated by hand, over a request with seconds.
func ExampleNew() {
	compiler, err := cel.New(cel.Config{})
	if err != nil {
		fmt.Println(err)

		return
	}
	// With rules: authz.New(authz.Config{Expressions: compiler, …})
	request := durationpb.File_google_protobuf_duration_proto.Messages().ByName("Duration")
	expression, err := compiler.CompileExpression("caller.claims.department == 'finance' && request < duration('1h')", request)
	if err != nil {
		fmt.Println(err)

		return
	}
	for _, department := range []string{"finance", "sales"} {
		holds, err := expression.Evaluate(&authz.ExpressionInput{
			Message:   &durationpb.Duration{Seconds: 60},
			Principal: authztest.User("ann", authztest.Claims{"department": department}),
		})
		fmt.Println(department, holds, err)
	}
	_, err = expression.Evaluate(&authz.ExpressionInput{
		Message: &durationpb.Duration{Seconds: 60}, Principal: authztest.User("bob"),
	})
	fmt.Println(err)
	// Output:
	// finance true <nil>
	// sales false <nil>
	// cel: column 13: the claim department is missing
}

// A fault of an expression has its place in the text, and several are told at once.
func ExampleCompiler_CompileExpression() {
	compiler, err := cel.New(cel.Config{})
	if err != nil {
		fmt.Println(err)

		return
	}
	request := durationpb.File_google_protobuf_duration_proto.Messages().ByName("Duration")
	_, err = compiler.CompileExpression("peer.ip.inRange('10.0.0.1/8') || now.getHours('Mars') > 8", request)
	fmt.Println(err)
	// Output:
	// "10.0.0.1/8" has bits set beyond its length
	// "Mars" isn't a time zone
}
