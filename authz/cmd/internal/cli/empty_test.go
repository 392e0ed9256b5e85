package cli_test

import (
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz/cmd/internal/cli"
)

// A variable of CI that isn't set is an empty value.
func TestAnEmptyValueOfAFlagLeavesNothingOut(t *testing.T) {
	inFolder(t, mistakes...)
	for _, args := range [][]string{
		{"lint", "--schema", "", "proto"},
		{"lint", "--schema=", "proto"},
		{"breaking", "--against", "proto", "--accept", "", "proto"},
		{"matrix", "--against", "", "proto"},
		{"mcp", "--schema", "", "proto"},
		{"explain", "--method", "docs.v1.Docs/Get", "--as", "user:a", "--engine", "", "proto"},
	} {
		if stdout, stderr, code := run(t, "", args...); code != cli.Failed || stdout != "" || !strings.Contains(stderr, "an empty value") {
			t.Errorf("%s: exit code %d\n%s%s", args, code, stdout, stderr)
		}
	}
}
