package lint_test

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/usher-auth/usher/authz/lint"
)

func TestRulesOfOtherTestsAreClean(t *testing.T) {
	for _, f := range lint.Lint(compiled(t, protoregistry.GlobalFiles), lint.Config{}) {
		t.Error(f)
	}
}
