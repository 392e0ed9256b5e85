package lint_test

import (
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz/lint"
)

// A comment "buf:lint:ignore ID" leaves out every kind whose id begins with ID: buf
// compares so. An id that begins with another's would leave that one out, too.
func TestNoIDBeginsWithAnother(t *testing.T) {
	for _, a := range lint.Kinds() {
		for _, b := range lint.Kinds() {
			if a.ID != b.ID && strings.HasPrefix(a.ID, b.ID) {
				t.Errorf("who ignores %s ignores %s, too", a.ID, b.ID)
			}
		}
	}
}
