package authz_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz"
)

// namer is a verifier that knows its issuers.
type namer struct {
	names []string
	asked int
}

func (n *namer) IssuerNames() []string {
	n.asked++

	return n.names
}

// What Issuers says counts, whether it is a list or a verifier, and is asked for
// once: what changes later changes no rule.
func TestIssuersAreTheNamersOnce(t *testing.T) {
	verifier := &namer{names: []string{"main"}}
	for name, test := range map[string]struct {
		issuers authz.IssuerNamer
		want    []string
		fault   string
	}{
		"a verifier":              {verifier, []string{"main"}, ""},
		"a list":                  {authz.Issuers{"main"}, []string{"main"}, ""},
		"a list of two":           {authz.Issuers{"main", "partner"}, nil, "{$issuer}"},
		"a verifier without any":  {&namer{}, nil, "set authz.Config.Issuers to the verifier"},
		"none":                    {nil, nil, "set authz.Config.Issuers to the verifier"},
		"an empty list":           {authz.Issuers{}, nil, "set authz.Config.Issuers to the verifier"},
		"a verifier that is nil":  {(*namer)(nil), nil, "Config.Issuers is a nil *authz_test.namer"},
		"a verifier with a fault": {&namer{names: []string{""}}, nil, "a name is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			authorizer, err := authz.New(authz.Config{Engine: newTuples(), Subjects: subjects, Issuers: test.issuers})
			switch {
			case test.fault != "":
				if err == nil || !strings.Contains(err.Error(), test.fault) {
					t.Errorf("%v, want a fault about %s", err, test.fault)
				}
			case err != nil:
				t.Error(err)
			default:
				got := authorizer.IssuerNames()
				if !slices.Equal(got, test.want) {
					t.Errorf("got %q, want %q", got, test.want)
				}
				got[0] = "another's"
				if again := authorizer.IssuerNames(); !slices.Equal(again, test.want) {
					t.Errorf("the names were changed to %q", again)
				}
			}
		})
	}
	if verifier.asked != 1 {
		t.Errorf("asked %d times, want once", verifier.asked)
	}
}
