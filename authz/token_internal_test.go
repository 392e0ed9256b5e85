package authz

import (
	"testing"
	"time"
)

// bearer is a caller with what a token rule looks at.
type bearer struct {
	propertyCaller

	acr      string
	authTime time.Time
	service  bool
}

func (b bearer) ACR() string         { return b.acr }
func (b bearer) AuthTime() time.Time { return b.authTime }
func (b bearer) IsService() bool     { return b.service }
func (b bearer) IsUser() bool        { return !b.service }

func TestTokenRules(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	with := func(scopes ...string) propertyCaller {
		caller := propertyCaller{map[string]bool{}}
		for _, scope := range scopes {
			caller.scopes[scope] = true
		}

		return caller
	}
	recent := tokenRule{acrValues: []string{"mfa", "hwk"}, maxAge: 5 * time.Minute}
	for name, tc := range map[string]struct {
		rule   tokenRule
		caller bearer
		want   Reason
	}{
		"no demands":                       {tokenRule{}, bearer{}, ""},
		"all scopes":                       {tokenRule{scopes: []string{"a", "b"}}, bearer{propertyCaller: with("a", "b")}, ""},
		"one of all scopes":                {tokenRule{scopes: []string{"a", "b"}}, bearer{propertyCaller: with("a")}, ReasonInsufficientScope},
		"any scope":                        {tokenRule{anyScope: []string{"a", "b"}}, bearer{propertyCaller: with("b")}, ""},
		"none of any scope":                {tokenRule{anyScope: []string{"a", "b"}}, bearer{propertyCaller: with("c")}, ReasonInsufficientScope},
		"row 22: a scope that is a prefix": {tokenRule{scopes: []string{"read"}}, bearer{propertyCaller: with("read.all")}, ReasonInsufficientScope},
		"kind admitted":                    {tokenRule{kinds: true, service: true}, bearer{service: true}, ""},
		"kind refused":                     {tokenRule{kinds: true, service: true}, bearer{}, ReasonKindDenied},
		"kind before scope":                {tokenRule{kinds: true, user: true, scopes: []string{"a"}}, bearer{service: true}, ReasonKindDenied},
		"strong and recent":                {recent, bearer{acr: "hwk", authTime: now.Add(-5 * time.Minute)}, ""},
		"weak":                             {recent, bearer{acr: "pwd", authTime: now}, ReasonStepUpRequired},
		"no acr":                           {recent, bearer{authTime: now}, ReasonStepUpRequired},
		"a second too old":                 {recent, bearer{acr: "mfa", authTime: now.Add(-5*time.Minute - time.Second)}, ReasonStepUpRequired},
		"no auth_time":                     {recent, bearer{acr: "mfa"}, ReasonStepUpRequired},
		"max_age alone":                    {tokenRule{maxAge: time.Minute}, bearer{authTime: now}, ""},
		"max_age, clocks apart":            {tokenRule{maxAge: time.Minute}, bearer{authTime: now.Add(maxClockSkew)}, ""},
		"max_age, in the future":           {tokenRule{maxAge: time.Minute}, bearer{authTime: now.Add(maxClockSkew + time.Second)}, ReasonStepUpRequired},
		"max_age alone, absent":            {tokenRule{maxAge: time.Minute}, bearer{}, ReasonStepUpRequired},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.rule.check(tc.caller, func() time.Time { return now })
			var got Reason
			if err != nil {
				got = err.Reason
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if got == ReasonStepUpRequired && (err.MaxAge != tc.rule.maxAge || len(err.ACRValues) != len(tc.rule.acrValues)) {
				t.Errorf("the challenge lacks a requirement: %+v", err)
			}
		})
	}
}
