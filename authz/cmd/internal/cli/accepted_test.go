package cli_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz/cmd/internal/cli"
)

// anyOf is a rule that any of some relations passes.
func anyOf(relations ...string) string {
	var rule strings.Builder
	for _, relation := range relations {
		fmt.Fprintf(&rule, ` conditions: { check: { object: "document:{id}" relation: %q } }`, relation)
	}

	return "option (usher.authz.v1.rule) = { any_of: {" + rule.String() + " } };"
}

func scoped(scopes ...string) string {
	return `option (usher.authz.v1.rule) = { authenticated: {} access_token: { scopes: ["` + strings.Join(scopes, `", "`) + `"] } };`
}

func expression(text string) string {
	return fmt.Sprintf(`option (usher.authz.v1.rule) = { expression: { cel: %q } };`, text)
}

// A witness is bounded: it names some calls, and not all of them.
func TestWhatWasAcceptedDoesntHideWhatItsWitnessDoesntTell(t *testing.T) {
	long := strings.Repeat("x", 300)
	for name, row := range map[string]struct{ old, reviewed, other string }{
		"a further relation": {
			anyOf("a"), anyOf("a", "b", "c", "d", "e", "f", "g"), anyOf("a", "b", "c", "d", "e", "f", "g", "h"),
		},
		"a further scope": {
			scoped("a", "b", "c", "d", "e", "f"), scoped("f"), `option (usher.authz.v1.rule) = { authenticated: {} };`,
		},
		"another expression": {
			expression(`request.id == "a"`), expression(`request.id == "b"`), expression("true"),
		},
		"another long name": {
			anyOf("a"), `option (usher.authz.v1.rule) = { authenticated: {} access_token: { any_scope: ["` + long + `1"] } };`,
			`option (usher.authz.v1.rule) = { authenticated: {} access_token: { any_scope: ["` + long + `2"] } };`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			put := func(folder, rule string) {
				write(t, folder+"/docs.proto", `syntax = "proto3";
package docs.v1;
import "usher/authz/v1/authz.proto";
service Docs { rpc Get(GetRequest) returns (GetRequest) { `+rule+` } }
message GetRequest { string id = 1; }
`)
			}
			put("old", row.old)
			put("new", row.reviewed)
			accepted, stderr, code := run(t, "", "breaking", "--against", "old", "--format", "accept", "new")
			if code != cli.Found || accepted == "" {
				t.Fatalf("exit code %d\n%s%s", code, accepted, stderr)
			}
			write(t, "accepted", accepted)
			if stdout, stderr, code := run(t, "", "breaking", "--against", "old", "--accept", "accepted", "new"); code != cli.Clean {
				t.Fatalf("reviewed: exit code %d\n%s%s", code, stdout, stderr)
			}
			put("new", row.other)
			if stdout, stderr, code := run(t, "", "breaking", "--against", "old", "--accept", "accepted", "new"); code != cli.Found {
				t.Errorf("not reviewed: exit code %d\n%s%s\naccepted:\n%s", code, stdout, stderr, accepted)
			}
		})
	}
}
