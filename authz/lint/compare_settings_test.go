package lint_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lint"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

func TestCompareOfSettings(t *testing.T) {
	const limit = `rate_limit: {key: KEY_CLIENT `
	for name, c := range map[string]struct {
		// what follows the rule's check, and the parts of the differences by verdict
		old, new string
		want     string
	}{
		"nothing":              {``, ``, ``},
		"validation weaker":    {`access_token: {validation: VALIDATION_INTROSPECT}`, `access_token: {validation: VALIDATION_LOCAL}`, "looser access_token.validation"},
		"validation unset":     {`access_token: {validation: VALIDATION_INTROSPECT}`, ``, "looser access_token.validation"},
		"validation local":     {``, `access_token: {validation: VALIDATION_LOCAL}`, "looser access_token.validation"},
		"first message":        {``, `stream: {message_check: MESSAGE_CHECK_FIRST_MESSAGE}`, "both looser and tighter stream.message_check"},
		"each message":         {``, `stream: {message_check: MESSAGE_CHECK_EACH_MESSAGE}`, ``},
		"recheck later":        {`stream: {recheck_interval: {seconds: 5}}`, `stream: {recheck_interval: {seconds: 6}}`, "looser stream.recheck_interval"},
		"recheck dropped":      {`stream: {recheck_interval: {seconds: 5}}`, ``, "both looser and tighter stream.recheck_interval"},
		"recheck of the first": {`stream: {message_check: MESSAGE_CHECK_FIRST_MESSAGE recheck_interval: {seconds: 5}}`, `stream: {message_check: MESSAGE_CHECK_FIRST_MESSAGE}`, "looser stream.recheck_interval"},
		"staler":               {`consistency: {mode: MODE_FULLY_CONSISTENT}`, `consistency: {mode: MODE_MINIMIZE_LATENCY}`, "looser consistency.mode"},
		"as stale":             {`consistency: {mode: MODE_MINIMIZE_LATENCY}`, ``, ``},
		"staler by a revision": {
			`consistency: {mode: MODE_FULLY_CONSISTENT}`, `consistency: {mode: MODE_AT_LEAST_AS_FRESH revision: "{text}"}`, "looser consistency.mode",
		},
		"staler without a revision": {
			`consistency: {mode: MODE_AT_LEAST_AS_FRESH revision: "{text}"}`,
			`consistency: {mode: MODE_AT_LEAST_AS_FRESH revision: "{text}" if_absent: MODE_MINIMIZE_LATENCY}`, "looser consistency.if_absent",
		},
		"if absent as by default": {
			`consistency: {mode: MODE_AT_LEAST_AS_FRESH revision: "{text}"}`,
			`consistency: {mode: MODE_AT_LEAST_AS_FRESH revision: "{text}" if_absent: MODE_FULLY_CONSISTENT}`, ``,
		},
		"another revision": {
			`consistency: {mode: MODE_AT_LEAST_AS_FRESH revision: "{text}"}`, `consistency: {mode: MODE_AT_LEAST_AS_FRESH revision: "{$metadata.x}"}`,
			"can't tell consistency.revision",
		},
		"existence told":  {`on_deny: ON_DENY_NOT_FOUND`, ``, "looser on_deny"},
		"told as before":  {`on_deny: ON_DENY_PERMISSION_DENIED`, ``, ``},
		"limit dropped":   {limit + `requests: 5 per: {seconds: 1}}`, ``, "looser rate_limit"},
		"limit higher":    {limit + `requests: 5 per: {seconds: 1}}`, limit + `requests: 6 per: {seconds: 1}}`, "looser rate_limit"},
		"limit of longer": {limit + `requests: 5 per: {seconds: 1}}`, limit + `requests: 50 per: {seconds: 10}}`, "looser rate_limit"},
		"limit as before": {limit + `requests: 5 per: {seconds: 1}}`, limit + `requests: 50 per: {seconds: 10} burst: 5}`, ``},
		"burst as by default": {
			limit + `requests: 5 per: {seconds: 1}}`, limit + `requests: 5 per: {seconds: 1} burst: 5}`, ``,
		},
		"limit slower, but of more": {
			limit + `requests: 5 per: {seconds: 1}}`, limit + `requests: 1 per: {seconds: 1} burst: 9}`, "both looser and tighter rate_limit",
		},
		"limit of others": {
			`rate_limit: {requests: 5 per: {seconds: 1} key: KEY_CLIENT}`, `rate_limit: {requests: 5 per: {seconds: 1} key: KEY_SUBJECT}`,
			"both looser and tighter rate_limit",
		},
		"limit of each": {
			`rate_limit: {requests: 5 per: {seconds: 1} key: KEY_METHOD}`, `rate_limit: {requests: 5 per: {seconds: 1} key: KEY_SUBJECT}`, "looser rate_limit",
		},
		"limit of a process": {
			limit + `requests: 5 per: {seconds: 1}}`, limit + `requests: 5 per: {seconds: 1} scope: SCOPE_PROCESS}`, "looser rate_limit",
		},
		"largest limits": {
			limit + `requests: 4294967295 per: {seconds: 315576000000}}`, limit + `requests: 4294967295 per: {seconds: 315575999999}}`, ``,
		},
	} {
		t.Run(name, func(t *testing.T) {
			old, updated := comparePolicy(t, viewer+c.old), comparePolicy(t, viewer+c.new)
			comparison := lint.Compare(old, updated, lint.CompareConfig{})
			var told []string
			for _, change := range comparison.Changes {
				for _, d := range change.Differences {
					told = append(told, d.Verdict.String()+" "+d.Part)
				}
				compareReadable(t, change)
			}
			if got := strings.Join(told, ", "); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			compareMirrored(t, comparison, lint.Compare(updated, old, lint.CompareConfig{}))
		})
	}
}

// What a rule asks of an engine doesn't matter if it asks none.
func TestCompareLeavesOutWhatHasNoEffect(t *testing.T) {
	for _, change := range []string{`consistency: {mode: MODE_FULLY_CONSISTENT}`} {
		if got := compareTexts(t, lint.Compare(comparePolicy(t, `authenticated: {}`+change), comparePolicy(t, `authenticated: {}`), lint.CompareConfig{})); got != "" {
			t.Error(got)
		}
	}
	missing := `check: {object: "document:main" relation: "viewer" on_missing: ON_MISSING_DENY}`
	if got := compareTexts(t, lint.Compare(comparePolicy(t, missing), comparePolicy(t, `check: {object: "document:main" relation: "viewer"}`), lint.CompareConfig{})); got != "" {
		t.Error(got)
	}
}

func TestCompareOfWhatTheRequestLeavesOut(t *testing.T) {
	old := `any_of: {conditions: {check: {object: "document:{id}" relation: "viewer" on_missing: ON_MISSING_DENY}} conditions: {has_scope: {scope: "a"}}}`
	updated := strings.Replace(old, "on_missing: ON_MISSING_DENY", "", 1)
	comparison := lint.Compare(comparePolicy(t, old), comparePolicy(t, updated), lint.CompareConfig{})
	const want = "looser: any_of.conditions[0].check.on_missing: now also told: a caller that leaves document:{id} unset learns by INVALID_ARGUMENT which field is missing"
	if got := compareTexts(t, comparison); got != want {
		t.Errorf("got %s", got)
	}
	if f := lint.Findings(comparison); len(f) != 1 || f[0].Path != "rule.any_of.conditions[0].check.on_missing" {
		t.Errorf("got %v", f)
	}
}

func TestCompareOfStreams(t *testing.T) {
	old, updated := comparePolicy(t, viewer), comparePolicy(t, viewer)
	updated.Methods[0].ClientStreaming = false
	updated.Methods[0].ServerStreaming = true
	const want = "can't tell: stream: can't tell: the method is a stream of the server's now, and was a stream of the caller's"
	if got := compareTexts(t, lint.Compare(old, updated, lint.CompareConfig{})); got != want {
		t.Errorf("got %s", got)
	}
}

// A method that isn't in a version is denied there.
func TestCompareOfMethodsThatCameAndWent(t *testing.T) {
	none, denied, some := &authz.Policy{}, comparePolicy(t, `deny: {}`), comparePolicy(t, viewer)
	none.Subjects, none.Issuers = some.Subjects, some.Issuers
	faulty := comparePolicy(t, viewer)
	faulty.Methods[0].Faults = []*authz.RuleError{{}}
	for name, c := range map[string]struct {
		old, new *authz.Policy
		want     lint.Verdict
	}{
		"new":                    {none, some, lint.Looser},
		"gone":                   {some, none, lint.Tighter},
		"new and denied":         {none, denied, lint.Same},
		"denied and gone":        {denied, none, lint.Same},
		"no rule and denied":     {comparePolicy(t, ``), denied, lint.Same},
		"a rule that broke":      {some, faulty, lint.Tighter},
		"a rule that was mended": {faulty, some, lint.Looser},
		"no policy":              {nil, nil, lint.Same},
		"an empty policy":        {&authz.Policy{}, &authz.Policy{}, lint.Same},
	} {
		t.Run(name, func(t *testing.T) {
			comparison := lint.Compare(c.old, c.new, lint.CompareConfig{})
			got := lint.Same
			for _, change := range comparison.Changes {
				got = change.Verdict
				if change.Method != "" && (change.Old == nil) != (len(c.old.Methods) == 0) || (change.New == nil) != (len(c.new.Methods) == 0) {
					t.Errorf("old %v, new %v", change.Old, change.New)
				}
			}
			if got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// Whether a handler that decides in both versions decides the same can't be told.
func TestCompareOfHandlers(t *testing.T) {
	comparison := lint.Compare(comparePolicy(t, `handler: {}`), comparePolicy(t, `handler: {}`), lint.CompareConfig{})
	if len(comparison.Changes) != 0 || len(comparison.Opaque) != 1 || comparison.Opaque[0] != "t.S/M" {
		t.Errorf("%v", comparison)
	}
	for _, policy := range []string{viewer, `deny: {}`, `authenticated: {}`, `public: {}`, `handler: {} access_token: {scopes: "a"}`} {
		if c := lint.Compare(comparePolicy(t, `handler: {}`), comparePolicy(t, policy), lint.CompareConfig{}); len(c.Changes) != 1 || len(c.Opaque) != 0 {
			t.Errorf("%s: %v", policy, c)
		}
	}
}

func TestCompareOfWhatAllMethodsHaveInCommon(t *testing.T) {
	type policies struct{ old, new *authz.Policy }
	both := func(change func(old, updated *authz.Policy)) policies {
		old, updated := comparePolicy(t, viewer), comparePolicy(t, viewer)
		change(old, updated)

		return policies{old, updated}
	}
	for name, c := range map[string]struct {
		policies

		want string
	}{
		"an issuer more": {
			both(func(_, p *authz.Policy) { p.Issuers = []string{"c", "a", "b"} }),
			"looser: issuers: now also: a token of issuer c, for methods that don't name their issuers",
		},
		"an issuer less": {both(func(_, p *authz.Policy) { p.Issuers = []string{"b"} }), "tighter: issuers: no longer: a token of issuer a"},
		"unknown issuers": {
			both(func(_, p *authz.Policy) { p.Issuers = nil }), "can't tell: issuers: can't tell: the issuers that are trusted are known in one version only",
		},
		"another subject": {
			both(func(_, p *authz.Policy) { p.Subjects.User = "user:{$claim.email}" }),
			"can't tell: subjects.user: can't tell: a user is user:{$claim.email} to the engine now, and was user:{$sub}",
		},
		"a subject more": {
			both(func(p, _ *authz.Policy) { p.Subjects.User = "" }),
			"looser: subjects.user: now also: a user, as user:{$sub}, for methods that don't name their kinds",
		},
		"a subject less": {
			both(func(_, p *authz.Policy) { p.Subjects.Service = "" }), "tighter: subjects.service: no longer: a service, for methods that don't name their kinds",
		},
		"an issuer's own subjects": {
			both(func(_, p *authz.Policy) {
				p.IssuerSubjects = map[string]authz.Subjects{"a": {Service: "service:{$client_id}", User: "person:{$sub}"}}
			}),
			"can't tell: issuer_subjects[a].user: can't tell: a user is person:{$sub} to the engine now, and was user:{$sub}",
		},
		"unknown subjects": {
			both(func(_, p *authz.Policy) { p.Subjects = authz.Subjects{} }), "can't tell: subjects: can't tell: the subjects of callers are known in one version only",
		},
		"permissions of tokens": {
			both(func(_, p *authz.Policy) { p.ClaimPermissions = true }),
			"can't tell: permissions: can't tell: permissions are from the caller's token now, and were from an engine",
		},
	} {
		t.Run(name, func(t *testing.T) {
			comparison := lint.Compare(c.old, c.new, lint.CompareConfig{})
			if got := compareTexts(t, comparison); got != c.want {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
			for _, change := range comparison.Changes {
				if change.Method != "" || change.Old == nil || change.New == nil {
					t.Errorf("%+v", change)
				}
			}
			compareMirrored(t, comparison, lint.Compare(c.new, c.old, lint.CompareConfig{}))
		})
	}
}

// If the subjects aren't known, neither is whom a rule admits that doesn't name its kinds.
func TestCompareWithoutSubjects(t *testing.T) {
	old, updated := comparePolicy(t, `authenticated: {}`), comparePolicy(t, `authenticated: {} access_token: {kinds: KIND_SERVICE kinds: KIND_USER}`)
	old.Subjects, updated.Subjects = authz.Subjects{}, authz.Subjects{}
	comparison := lint.Compare(old, updated, lint.CompareConfig{})
	if len(comparison.Changes) != 1 || comparison.Changes[0].Verdict != lint.CantTell {
		t.Errorf("%v", comparison)
	}
	updated.Methods[0].Rule.AccessToken.Kinds = []authzv1.Kind{authzv1.Kind_KIND_SERVICE}
	back := lint.Compare(updated, old, lint.CompareConfig{})
	if len(back.Changes) != 1 || back.Changes[0].Verdict != lint.Looser {
		t.Errorf("%v", back)
	}
}

func TestFindingsOfComparisons(t *testing.T) {
	old, updated := comparePolicy(t, viewer+`access_token: {scopes: "a"}`), comparePolicy(t, viewer+`on_deny: ON_DENY_NOT_FOUND`)
	updated.Methods[0].Inherited = []string{"access_token.scopes", "policy"}
	updated.Methods = append(updated.Methods, authz.MethodPolicy{Method: "t.S/N", File: "t.proto", Line: 9, Rule: compareRule(t, `handler: {}`)})
	old.Methods = append(old.Methods,
		authz.MethodPolicy{Method: "t.S/N", File: "t.proto", Line: 8, Rule: compareRule(t, `expression: {cel: "true"}`)},
		authz.MethodPolicy{Method: "t.S/O", File: "old.proto", Line: 1, Rule: compareRule(t, owner)})
	var got []string
	for _, f := range lint.Findings(lint.Compare(old, updated, lint.CompareConfig{})) {
		got = append(got, f.String())
	}
	want := []string{
		"old.proto:1: USHER_RULE_NOT_TIGHTENED: t.S/O: rule.check: no longer: a caller that is owner of document:{id}; see that no caller needs it, or undo it",
		"t.proto:3: USHER_RULE_NOT_TIGHTENED: t.S/M: rule.on_deny: no longer told: a caller that is refused gets NOT_FOUND, whether what it asked for exists or not; see that no caller needs it, or undo it",
		"t.proto:3: USHER_RULE_NOT_LOOSENED: t.S/M: service_rule.default.access_token.scopes: now also: a token without scope a; have the change reviewed, or undo it",
		"t.proto:9: USHER_RULE_COMPARABLE: t.S/N: rule.handler: can't tell: what the method's handler decides isn't known; compare the two rules yourself",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestVerdictsInWords(t *testing.T) {
	var words []string
	for v := range lint.Verdict(6) {
		words = append(words, v.String())
	}
	if got := strings.Join(words, ", "); got != "same, looser, tighter, both looser and tighter, can't tell, can't tell" {
		t.Error(got)
	}
}

func ExampleCompare() {
	rule := func(scopes ...string) *authz.Policy {
		return &authz.Policy{Methods: []authz.MethodPolicy{{Method: "docs.v1.Docs/Purge", Rule: &authzv1.Rule{
			Policy:      &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}},
			AccessToken: &authzv1.AccessToken{Scopes: scopes, Kinds: []authzv1.Kind{authzv1.Kind_KIND_SERVICE}},
		}}}}
	}
	for _, change := range lint.Compare(rule("docs", "admin"), rule("docs"), lint.CompareConfig{}).Changes {
		fmt.Println(change)
	}
	// Output:
	// docs.v1.Docs/Purge: looser: access_token.scopes: now also: a service token without scope admin
}
