package lint_test

import (
	"testing"

	"github.com/usher-auth/usher/authz/lint"
)

// TestFindingsCountColumnsAndBytes shows that what counts from one and what counts from
// zero are told apart.
func TestFindingsCountColumnsAndBytes(t *testing.T) {
	f := lint.Finding{
		ID: lint.IDNameSegment, File: "docs.proto", Line: 12, Column: 5, Method: "docs.v1.Docs/Get", Path: "rule.check.object", Offset: 0,
		Problem: "problem", Fix: "fix",
	}
	if got, want := f.String(), "docs.proto:12:5: USHER_NAME_SEGMENT: docs.v1.Docs/Get: rule.check.object: byte 0: problem; fix"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	f.Offset, f.Column = -1, 0
	if got, want := f.String(), "docs.proto:12: USHER_NAME_SEGMENT: docs.v1.Docs/Get: rule.check.object: problem; fix"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
