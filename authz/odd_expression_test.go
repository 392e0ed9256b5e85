package authz_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

type oddCompiler struct{}

func (oddCompiler) CompileExpression(text string, _ protoreflect.MessageDescriptor) (authz.Expression, error) {
	switch text {
	case "nil":
		return (*expression)(nil), nil
	default:
		return &expression{reads: authz.ExpressionReads{Message: true, Fields: []protoreflect.Name{"nope"}}}, nil
	}
}

// Row 70: an expression that can't say what it reads is a fault of its own rule, and of
// no other.
func TestAnExpressionThatCannotSayWhatItReads(t *testing.T) {
	authorizer := newAuthorizer(t, authz.Config{
		Expressions: oddCompiler{}, Resolver: ruled(t, nil, map[string]*authzv1.Rule{
			"A": written(t, `expression: {cel: "nil"}`), "B": written(t, `expression: {cel: "field"}`),
			"C": written(t, `authenticated: {}`), "Z": written(t, `authenticated: {}`),
		}),
	})
	for method, want := range map[string]string{"A": "rule.expression.cel: ", "B": `nope`, "C": "", "Z": ""} {
		err := authorizer.ValidateMethods("/t.S/" + method)
		if want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", method, err, want)
		}
	}
}
