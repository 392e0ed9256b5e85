package authz_test

import (
	"strings"
	"testing"

	"github.com/usher-auth/usher/authz"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"

	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
)

func TestSubjectsThatCantBe(t *testing.T) {
	for name, tc := range map[string]struct {
		config authz.Config
		want   string
	}{
		"row 21a: the client's id for a user": {
			authz.Config{Subjects: authz.Subjects{User: "user:{$client_id}"}}, "authz: Subjects.User: {$client_id} would give",
		},
		"a field of the request": {
			authz.Config{Subjects: authz.Subjects{User: "user:{user_id}"}}, "column 6: a configured subject can't read the request",
		},
		"the same subject for all": {
			authz.Config{Subjects: authz.Subjects{Service: "service:any"}}, "makes every caller the same subject",
		},
		"a wildcard": {authz.Config{Subjects: authz.Subjects{User: "user:*"}}, "can't be a wildcard"},
		"no type":    {authz.Config{Subjects: authz.Subjects{User: "{$sub}"}}, "no literal type"},
		"invalid UTF-8": {
			authz.Config{Subjects: authz.Subjects{User: "user:\xff{$sub}"}}, "isn't valid UTF-8",
		},
		"row 21a: two issuers, one namespace": {
			authz.Config{Subjects: authz.Subjects{User: "user:{$sub}"}, Issuers: authz.Issuers{"a", "b"}}, "must hold {$issuer}",
		},
		"row 21a: own subjects beside a shared namespace": {
			authz.Config{
				Subjects:       authz.Subjects{User: "user:{$sub}"},
				IssuerSubjects: map[string]authz.Subjects{"a": {User: "a:{$sub}"}},
			}, "must hold {$issuer}",
		},
		"row 21a: two issuers with equal subjects": {
			authz.Config{IssuerSubjects: map[string]authz.Subjects{"a": {User: "user:{$sub}"}, "b": {User: "user:{$sub}"}}}, "a token of one issuer can name the subject of another's",
		},
		"an issuer's name that can't stand in a subject": {
			authz.Config{Subjects: authz.Subjects{User: "user:{$issuer}/{$sub}"}, Issuers: authz.Issuers{"https://a", "b"}}, "short name",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.config.Engine = newTuples()
			if _, err := authz.New(tc.config); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestSubjects(t *testing.T) {
	const query = "document:1#viewer@"
	other := user("alice")
	other.issuer = "other"
	minted := user("alice")
	minted.client = "indexer"
	piped := user("a/b")
	for name, tc := range map[string]struct {
		config authz.Config
		caller *caller
		want   string
		reason authz.Reason
	}{
		"user":                             {authz.Config{Subjects: subjects}, user("alice"), "user:alice", ""},
		"service":                          {authz.Config{Subjects: subjects}, backend("indexer"), "service:indexer", ""},
		"row 21a: minted through a client": {authz.Config{Subjects: subjects}, minted, "user:alice", ""},
		"kind without a subject":           {authz.Config{Subjects: authz.Subjects{Service: "service:{$client_id}"}}, user("alice"), "", authz.ReasonSubjectUnmapped},
		"no sub":                           {authz.Config{Subjects: subjects}, user(""), "", authz.ReasonSubjectInvalid},
		"issuer in the subject":            {authz.Config{Subjects: authz.Subjects{User: "user:{$issuer}/{$sub}"}, Issuers: authz.Issuers{"main", "other"}}, other, "user:other/alice", ""},
		"row 55: sub that holds the follower's separator": {
			authz.Config{Subjects: authz.Subjects{User: "user:{$sub}/{$issuer}"}}, piped, "", authz.ReasonSubjectInvalid,
		},
		"subjects of the issuer": {
			authz.Config{IssuerSubjects: map[string]authz.Subjects{"main": {User: "user:{$sub}"}, "other": {User: "partner:{$sub}"}}}, other, "partner:alice", "",
		},
		"issuer without subjects": {
			authz.Config{IssuerSubjects: map[string]authz.Subjects{"main": {User: "user:{$sub}"}}}, other, "", authz.ReasonSubjectUnmapped,
		},
		"userset": {authz.Config{Subjects: authz.Subjects{User: "team:{$sub}#member"}}, user("blue"), "team:blue#member", ""},
		"a claim": {authz.Config{Subjects: authz.Subjects{User: "user:{$claim.uid}"}}, user("alice"), "", authz.ReasonSubjectInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			engine := newTuples(query + tc.want)
			tc.config.Engine = engine
			_, err := newAuthorizer(t, tc.config).Authorize(t.Context(), service+"GetDocument", tc.caller, get("1"))
			if got := reasonOf(err); got != tc.reason {
				t.Errorf("got %v, want %q", err, tc.reason)
			}
			if tc.reason != "" && engine.requests() > 0 {
				t.Error("the engine was asked")
			}
		})
	}
}

func TestSubjectOfTheRule(t *testing.T) {
	rule := check("document:{text}", "viewer")
	rule.GetCheck().Subject = "team:{$claim.team}#member"
	engine := newTuples("document:a#viewer@team:blue#member")
	method := one(t, engine, "M", rule)
	caller := user("alice")
	for team, want := range map[string]authz.Reason{"blue": "", "red": authz.ReasonRelationDenied, "*": authz.ReasonSubjectInvalid} {
		caller.claims = map[string]any{"team": team}
		if _, err := method.Authorize(t.Context(), &authz.Call{Principal: caller, Message: &docsv1.Kinds{Text: "a"}}); reasonOf(err) != want {
			t.Errorf("team %q: %v, want %q", team, err, want)
		}
	}
}

// TestScopeBesideAnUnmappedSubject: a condition that needs no subject decides
// without one.
func TestScopeBesideAnUnmappedSubject(t *testing.T) {
	rule := &authzv1.Rule{Policy: &authzv1.Rule_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: []*authzv1.Condition{
		{Condition: &authzv1.Condition_HasScope{HasScope: &authzv1.HasScope{Scope: "admin"}}},
		{Condition: &authzv1.Condition_Check{Check: &authzv1.Check{Object: "document:{text}", Relation: "viewer"}}},
	}}}}
	rule.AccessToken = &authzv1.AccessToken{Kinds: []authzv1.Kind{authzv1.Kind_KIND_SERVICE, authzv1.Kind_KIND_USER}}
	authorizer := newAuthorizer(t, authz.Config{
		Engine: newTuples(), Subjects: authz.Subjects{User: "user:{$sub}"}, Resolver: ruled(t, nil, map[string]*authzv1.Rule{
			"M": rule, "Any": authenticated(),
		}),
	})
	if _, err := authorizer.Authorize(t.Context(), "/t.S/Any", backend("a"), nil); reasonOf(err) != authz.ReasonSubjectUnmapped {
		t.Errorf("a kind without a subject: %v", err)
	}
	admin, plain := backend("a"), backend("b")
	admin.scopes = []string{"admin"}
	if _, err := authorizer.Authorize(t.Context(), "/t.S/M", admin, &docsv1.Kinds{Text: "a"}); err != nil {
		t.Error(err)
	}
	if _, err := authorizer.Authorize(t.Context(), "/t.S/M", plain, &docsv1.Kinds{Text: "a"}); reasonOf(err) != authz.ReasonSubjectUnmapped {
		t.Error(err)
	}
	if _, err := authorizer.Authorize(t.Context(), "/t.S/M", admin, &docsv1.Kinds{}); err != nil {
		t.Errorf("a request that doesn't name the object of a condition that doesn't decide: %v", err)
	}
	if _, err := authorizer.Authorize(t.Context(), "/t.S/M", plain, &docsv1.Kinds{}); reasonOf(err) != authz.ReasonObjectMissing {
		t.Error(err)
	}
}
