package authz_test

import (
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz"
)

// nameFunc and nameMap are namers that are no pointers.
type (
	nameFunc func() []string
	nameMap  map[string]bool
)

func (f nameFunc) IssuerNames() []string { return f() }

func (m nameMap) IssuerNames() []string { return nil }

// A namer that can't answer is an error, not a panic, and the value that it panics
// with, which may hold anything, isn't shown.
func TestIssuersThatCantAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		issuers authz.IssuerNamer
		fault   string
	}{
		"a nil function":               {nameFunc(nil), "Config.Issuers is a nil authz_test.nameFunc"},
		"a function that panics":       {nameFunc(func() []string { panic("secret") }), "Config.Issuers: IssuerNames panicked with a string"},
		"one that panics with nothing": {nameFunc(func() []string { panic(nil) }), "IssuerNames panicked"}, //nolint:govet // a nil panic is the case
		"a nil verifier in another":    {struct{ authz.IssuerNamer }{}, "IssuerNames panicked"},
		"a nil map, which has names":   {nameMap(nil), "set authz.Config.Issuers to the verifier"},
		"a nil list":                   {authz.Issuers(nil), "set authz.Config.Issuers to the verifier"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := authz.New(authz.Config{Engine: newTuples(), Subjects: subjects, Issuers: test.issuers})
			if err == nil || !strings.Contains(err.Error(), test.fault) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v, want a fault about %s", err, test.fault)
			}
		})
	}
}
