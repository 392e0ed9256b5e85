package authz_test

import (
	"context"
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

func anyOf(conditions ...*authzv1.Condition) *authzv1.Rule {
	return &authzv1.Rule{Policy: &authzv1.Rule_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: conditions}}}
}

func orMatch(left, right string) *authzv1.Condition {
	return &authzv1.Condition{Condition: &authzv1.Condition_Match{Match: &authzv1.Match{Left: left, Right: right}}}
}

func orCheck(check *authzv1.Check) *authzv1.Condition {
	return &authzv1.Condition{Condition: &authzv1.Condition_Check{Check: check}}
}

func orScope(scope string) *authzv1.Condition {
	return &authzv1.Condition{Condition: &authzv1.Condition_HasScope{HasScope: &authzv1.HasScope{Scope: scope}}}
}

func claims(name string, value any) *caller {
	c := user("alice")
	c.claims = map[string]any{name: value}

	return c
}

// An operator reads in the cause which template had no use for which value.
func TestCausesOfDenials(t *testing.T) {
	users := authz.Subjects{User: "user:{$sub}"}
	both := authz.Subjects{User: "user:{$issuer}/{$sub}", Service: "service:{$issuer}/{$client_id}"}
	anonymous := backend("")
	anonymous.subject = "someone"
	byClaim := authz.Subjects{User: "user:{$claim.email}"}
	long := strings.Repeat("x", 2000)
	for name, c := range map[string]struct {
		subjects authz.Subjects
		rule     *authzv1.Rule
		caller   *caller
		message  *docsv1.Kinds
		want     string
	}{
		"a sub with a colon": {
			users, check("d:{text}", "viewer"), user("did:x:1"), &docsv1.Kinds{Text: "1"},
			`authz: SUBJECT_INVALID: Subjects.User "user:{$sub}": sub "did:x:1" has ':'`,
		},
		"a sub with a space":    {users, check("d:{text}", "viewer"), user("a b"), &docsv1.Kinds{Text: "1"}, `: sub "a b" has white space`},
		"a sub with a newline":  {users, check("d:{text}", "viewer"), user("a\x00"), &docsv1.Kinds{Text: "1"}, `: sub "a\x00" has a character that isn't printable`},
		"a sub that isn't text": {users, check("d:{text}", "viewer"), user("a\xff"), &docsv1.Kinds{Text: "1"}, `: sub "a\xff" isn't valid UTF-8`},
		"a wildcard":            {users, check("d:{text}", "viewer"), user("*"), &docsv1.Kinds{Text: "1"}, `: sub "*" is a wildcard`},
		"a long sub":            {users, check("d:{text}", "viewer"), user(long), &docsv1.Kinds{Text: "1"}, `: sub "` + long[:128] + `"... is longer than 1024 bytes`},
		"no sub":                {users, check("d:{text}", "viewer"), user(""), &docsv1.Kinds{Text: "1"}, `Subjects.User "user:{$sub}": the token has no sub`},
		"no client id": {
			both, check("d:{text}", "viewer"), anonymous, &docsv1.Kinds{Text: "1"},
			`authz: SUBJECT_INVALID: Subjects.Service "service:{$issuer}/{$client_id}": the token has no client id`,
		},
		"what follows the placeholder": {
			authz.Subjects{User: "user:{$sub}@{$issuer}"},
			check("d:{text}", "viewer"), user("a@b"), &docsv1.Kinds{Text: "1"},
			`: sub "a@b" doesn't fit the template`,
		},
		"no claim":     {byClaim, check("d:{text}", "viewer"), user("alice"), &docsv1.Kinds{Text: "1"}, `Subjects.User "user:{$claim.email}": the token has no claim "email"`},
		"an odd claim": {byClaim, check("d:{text}", "viewer"), claims("email", []any{"a"}), &docsv1.Kinds{Text: "1"}, `: claim "email" is neither text nor an integer`},
		"a bad claim":  {byClaim, check("d:{text}", "viewer"), claims("email", "a#b"), &docsv1.Kinds{Text: "1"}, `: claim "email" "a#b" has '#'`},
		"the rule's own": {
			users, about(check("d:{text}", "viewer"), "org:{$claim.org}"), user("alice"), &docsv1.Kinds{Text: "1"},
			`authz: SUBJECT_INVALID: the check's subject "org:{$claim.org}": the token has no claim "org"`,
		},
		"a subject of the request that is absent": {
			users, about(check("d:x", "viewer"), "org:{text}"), user("alice"), &docsv1.Kinds{},
			`authz: SUBJECT_INVALID: the check's subject "org:{text}": the request's text is absent, or doesn't fit`,
		},
		"a subject of the request with a colon": {
			users, about(check("d:x", "viewer"), "org:{text}"), user("alice"), &docsv1.Kinds{Text: "a:b"},
			`authz: SUBJECT_INVALID: the check's subject "org:{text}": the request's text is absent, or doesn't fit`,
		},
		"an object of the token": {
			users, check("profile:{$sub}", "owner"), user("a:b"), &docsv1.Kinds{},
			`authz: SUBJECT_INVALID: the check's object "profile:{$sub}": sub "a:b" has ':'`,
		},
		"a service's, and none is set": {
			users, check("d:{text}", "viewer"), backend("indexer"), &docsv1.Kinds{Text: "1"},
			`authz: SUBJECT_UNMAPPED: a service's token, and Subjects.Service is empty`,
		},
		"a user's, and none is set": {
			authz.Subjects{Service: "service:{$client_id}"},
			check("d:{text}", "viewer"), user("alice"), &docsv1.Kinds{Text: "1"},
			`authz: SUBJECT_UNMAPPED: a user's token, and Subjects.User is empty`,
		},
		"a match": {
			users, match("{text}", "{$issuer}/{$sub}"), user("alice"), &docsv1.Kinds{Text: "alice"},
			`authz: RELATION_DENIED: match: "{text}" is "alice", "{$issuer}/{$sub}" is "main/alice"`,
		},
		"a match without the field":          {users, match("{text}", "{$sub}"), user("alice"), &docsv1.Kinds{}, `match: "{text}" is absent, "{$sub}" is "alice"`},
		"a match without the claim":          {users, match("{text}", "{$claim.org}"), user("alice"), &docsv1.Kinds{Text: "a"}, `match: "{text}" is "a", "{$claim.org}": the token has no claim "org"`},
		"a match with a literal":             {users, match("{text}", "acme"), user("alice"), &docsv1.Kinds{Text: "a"}, `match: "{text}" is "a", "acme"`},
		"a match of many":                    {users, match("{$sub}", "{texts[]}"), user("alice"), &docsv1.Kinds{Texts: []string{"alice", "bob"}}, `match: "{$sub}" is "alice", "{texts[]}" has "bob" at 1`},
		"a match of what is too long":        {users, match("{text}", "{$sub}"), user("alice"), &docsv1.Kinds{Text: long + long + long}, `match: "{text}" can't be compared, "{$sub}" is "alice"`},
		"a match of a user's client":         {users, match("{text}", "{$client_id}"), user("alice"), &docsv1.Kinds{Text: "a"}, `"{$client_id}": the token is a user's, and {$client_id} is a service's alone`},
		"a match of what holds the follower": {users, match("{text}", "{$sub}/{$issuer}"), user("a/b"), &docsv1.Kinds{Text: "a"}, `"{$sub}/{$issuer}": the token's value doesn't fit`},
		"a match of none":                    {users, match("{$sub}", "{texts[]}"), user("alice"), &docsv1.Kinds{}, `match: "{$sub}" is "alice", "{texts[]}" is absent`},
		"a match of what is long":            {users, match("{text}", "{$sub}"), user("alice"), &docsv1.Kinds{Text: long}, `match: "{text}" is "` + long[:128] + `"..., "{$sub}" is "alice"`},
		"a match of what a log would take for its own": {
			users, match("{text}", "{$sub}"), user("alice"), &docsv1.Kinds{Text: "a\nlevel=INFO"}, `"{text}" is "a\nlevel=INFO", "{$sub}" is "alice"`,
		},
		"a scope": {
			users, anyOf(orScope("docs.admin"), orMatch("{text}", "{$sub}")), user("alice"), &docsv1.Kinds{Text: "bob"},
			`authz: RELATION_DENIED: has_scope "docs.admin": the token lacks it; match: "{text}" is "bob", "{$sub}" is "alice"`,
		},
		"a check that was asked": {users, check("d:{text}", "viewer"), user("alice"), &docsv1.Kinds{Text: "1"}, "authz: RELATION_DENIED: the policy denies it"},
		"a check of what is missing": {
			users, anyOf(orCheck(&authzv1.Check{Object: "d:{text}", Relation: "viewer", OnMissing: authzv1.OnMissing_ON_MISSING_DENY})), user("alice"), &docsv1.Kinds{},
			`authz: RELATION_DENIED: check "d:{text}": text is absent, or doesn't fit`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			authorizer := newAuthorizer(t, authz.Config{
				Engine: newTuples(), Subjects: c.subjects, Issuers: authz.Issuers{"main"}, Resolver: ruled(t, nil, map[string]*authzv1.Rule{"M": c.rule}),
			})
			decision, err := authorizer.Authorize(t.Context(), "/t.S/M", c.caller, c.message)
			if err == nil || !strings.HasSuffix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if decision.Err() == nil || decision.Err().Error() != err.Error() {
				t.Errorf("the decision has %v", decision.Err())
			}
		})
	}
}

// A cause is bounded whatever the rule and the call hold.
func TestCausesAreBounded(t *testing.T) {
	var conditions []*authzv1.Condition
	for range 60 {
		conditions = append(conditions, orMatch("{text}", "{$sub}"))
	}
	authorizer := newAuthorizer(t, authz.Config{Engine: newTuples(), Issuers: authz.Issuers{"main"}, Resolver: ruled(t, nil, map[string]*authzv1.Rule{"M": anyOf(conditions...)})})
	_, err := authorizer.Authorize(t.Context(), "/t.S/M", user("alice"), &docsv1.Kinds{Text: strings.Repeat("\u00fc", 2000)})
	if err == nil || len(err.Error()) > 8<<10 || !strings.HasSuffix(err.Error(), "; and 52 more") {
		t.Errorf("%d bytes: %.300s", len(err.Error()), err)
	}
}

// What a handler's own check refused is in its error, so that the record of the
// call has it too.
func TestCausesOfHandlersChecks(t *testing.T) {
	authorizer := newAuthorizer(t, authz.Config{
		Engine: newTuples(), Subjects: authz.Subjects{User: "user:{$sub}"}, IssuerSubjects: map[string]authz.Subjects{"partner": {User: "partner:{$sub}"}},
		Issuers: authz.Issuers{"main", "partner"}, Resolver: ruled(t, nil, map[string]*authzv1.Rule{"M": handlerRule()}),
	})
	partner := backend("indexer")
	partner.issuer = "partner"
	for name, c := range map[string]struct {
		caller *caller
		object string
		want   string
	}{
		"denied":                  {user("alice"), "document:1", `authz: RELATION_DENIED: the policy denies document:1#viewer@user:alice`},
		"a sub with a colon":      {user("a:b"), "document:1", `authz: SUBJECT_INVALID: Subjects.User "user:{$sub}": sub "a:b" has ':'`},
		"no subject":              {backend("indexer"), "document:1", `authz: SUBJECT_UNMAPPED: a service's token, and Subjects.Service is empty`},
		"no subject of an issuer": {partner, "document:1", `a service's token, and IssuerSubjects["partner"].Service is empty`},
		"no type":                 {user("alice"), "1", `authz: OBJECT_MISSING: object 0, "1", isn't type:id`},
	} {
		t.Run(name, func(t *testing.T) {
			session := authorizer.Method("/t.S/M").NewSession(authz.Call{Principal: c.caller}, nil)
			if err := authz.CheckFromContext(authz.NewContext(t.Context(), session), c.object, "viewer"); err == nil || !strings.HasSuffix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// A filter that was answered lets the call go on, whatever it left; one without an
// answer, or about nothing that is an object, doesn't.
func TestFilterDecisions(t *testing.T) {
	engine := &picky{tuples: newTuples("document:a#viewer@user:alice")}
	for name, c := range map[string]struct {
		objects     []string
		allowed     bool
		reason      authz.Reason
		granted, of int
		answered    bool
		err         string
	}{
		"one of two":      {[]string{"document:a", "document:b"}, true, "", 1, 2, true, ""},
		"none of two":     {[]string{"document:c", "document:b"}, true, "", 0, 2, true, ""},
		"nothing":         {nil, true, "", 0, 0, true, ""},
		"an odd one":      {[]string{"document:a", "b"}, true, "", 1, 2, true, ""},
		"no answer":       {[]string{"document:a", "document:down"}, false, authz.ReasonEngineUnavailable, 0, 0, false, "ENGINE_UNAVAILABLE"},
		"none has a type": {[]string{"1", "2\n"}, false, authz.ReasonObjectMissing, 0, 0, false, `none of the 2 objects is type:id, as in "document:1": the first is "1"`},
	} {
		t.Run(name, func(t *testing.T) {
			var told []*authz.Decision
			authorizer := newAuthorizer(t, authz.Config{
				Engine: engine, Resolver: ruled(t, nil, map[string]*authzv1.Rule{"M": handlerRule()}),
				Observer: authz.Observer{Decided: func(_ context.Context, d *authz.Decision) { told = append(told, d) }},
			})
			session := authorizer.Method("/t.S/M").NewSession(authz.Call{Principal: user("alice")}, nil)
			_, err := authz.FilterFromContext(authz.NewContext(t.Context(), session), c.objects, "viewer")
			if (err == nil) != c.answered || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("the filter says %v", err)
			}
			if len(told) != 1 {
				t.Fatalf("%d decisions", len(told))
			}
			d := told[0]
			granted, of, answered := d.Filter()
			if d.Allowed() != c.allowed || d.Reason() != c.reason || granted != c.granted || of != c.of || answered != c.answered {
				t.Errorf("%v; filter %d of %d, %v", d, granted, of, answered)
			}
			if d.Rule() != "handler's filter by viewer" || d.Duration() <= 0 || (d.Err() == nil) != c.answered {
				t.Errorf("rule %q, duration %v, err %v", d.Rule(), d.Duration(), d.Err())
			}
			if text := d.String(); c.answered != strings.Contains(text, " left ") {
				t.Errorf("as text: %s", text)
			}
		})
	}
}

// A refusal's text is made when it is read, so that a flood of refusals is cheap.
func TestCausesAreMadeWhenTheyAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		rule   *authzv1.Rule
		caller *caller
		most   float64
	}{
		"a match":   {match("{text}", "{$sub}"), user("alice"), 6}, // some more than it takes: the race detector empties pools
		"a subject": {check("d:{text}", "viewer"), user("a:b"), 5},
	} {
		t.Run(name, func(t *testing.T) {
			method := one(t, newTuples(), "M", c.rule)
			call := &authz.Call{Principal: c.caller, Message: &docsv1.Kinds{Text: "bob"}}
			ctx := t.Context()
			if got := testing.AllocsPerRun(200, func() { _, _ = method.Authorize(ctx, call) }); got > c.most {
				t.Errorf("%v allocations, want at most %v", got, c.most)
			}
		})
	}
}
