package lint_test

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/usher-auth/usher/authz/lint"
)

// TestLintOfTheRulesOfOtherTests also shows what becomes of comments: descriptors in
// generated Go have none, so what they leave out is found.
func TestLintOfTheRulesOfOtherTests(t *testing.T) {
	want := map[string]string{
		"usher.test.docs.v1.DocumentService/CreateDocument":   lint.IDNameSegment,
		"usher.test.cookbook.v1.RolesService/PublishDocument": lint.IDFieldRead,
	}
	for _, f := range lint.Lint(compiled(t, protoregistry.GlobalFiles), lint.Config{}) {
		if want[f.Method] != f.ID {
			t.Error(f)
		}
		delete(want, f.Method)
		if f.Line != 0 || f.Column != 0 || len(f.SourcePath()) == 0 {
			t.Errorf("it has no source info: %+v", f)
		}
	}
	if len(want) > 0 {
		t.Errorf("not found: %v", want)
	}
}
