package lint_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/usher-auth/usher/authz"
	cookbookv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/cookbook/v1"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	"github.com/usher-auth/usher/authz/lint"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// compareRealMethods are the methods of the tests, of the cookbook and of the quickstart
// with their rules after inheritance, by name.
func compareRealMethods(tb testing.TB) map[string]authz.MethodPolicy {
	tb.Helper()
	wire, err := os.ReadFile("testdata/quickstart.binpb")
	if err != nil {
		tb.Fatal(err)
	}
	set, quickstart, linked := &descriptorpb.FileDescriptorSet{}, &protoregistry.Files{}, &protoregistry.Files{}
	if err := proto.Unmarshal(wire, set); err != nil {
		tb.Fatal(err)
	}
	register := func(files *protoregistry.Files, descriptor protoreflect.FileDescriptor, err error) {
		if err == nil {
			err = files.RegisterFile(descriptor)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	for _, file := range set.GetFile() {
		descriptor, err := protodesc.NewFile(file, protoregistry.GlobalFiles)
		register(quickstart, descriptor, err)
	}
	register(linked, docsv1.File_usher_test_docs_v1_docs_proto, nil)
	register(linked, cookbookv1.File_usher_test_cookbook_v1_cookbook_proto, nil)
	methods := map[string]authz.MethodPolicy{}
	for _, files := range []*protoregistry.Files{quickstart, linked} {
		policy, err := lint.Compile(lint.Source{
			Files: files, Subjects: authz.Subjects{Service: "service:{$issuer}.{$client_id}", User: "user:{$issuer}.{$sub}"},
		})
		if err != nil {
			tb.Fatal(err)
		}
		for _, m := range policy.Methods {
			if len(m.Faults) == 0 && m.Rule != nil {
				methods[m.Method] = m
			}
		}
	}

	return methods
}

// compareEdit is a rule before and after it was loosened in one part.
type compareEdit struct {
	name, part string
	old, new   *authzv1.Rule
}

// compareEdits are the loosenings of one rule.
type compareEdits struct {
	rule   *authzv1.Rule
	stream bool
	list   []compareEdit
}

// loosen adds an edit that loosens the rule.
func (e *compareEdits) loosen(name, part string, change func(*authzv1.Rule)) {
	looser := proto.CloneOf(e.rule)
	if looser.GetAccessToken() == nil {
		looser.AccessToken = &authzv1.AccessToken{}
	}
	if looser.GetStream() == nil {
		looser.Stream = &authzv1.Stream{}
	}
	change(looser)
	e.list = append(e.list, compareEdit{name, part, e.rule, looser})
}

// undo adds the edit that drops what a rule had beside this one.
func (e *compareEdits) undo(name, part string, change func(*authzv1.Rule)) {
	e.loosen(name, part, change)
	last := &e.list[len(e.list)-1]
	last.old, last.new = last.new, last.old
}

func compareEditsOf(m *authz.MethodPolicy) []compareEdit {
	e := &compareEdits{rule: m.Rule, stream: m.ClientStreaming}
	if m.Rule.GetDeny() == nil {
		e.limit()
	}
	if m.Rule.GetPublic() != nil {
		return e.list
	}
	e.loosen("made public", "policy", func(r *authzv1.Rule) {
		r.Policy, r.AccessToken, r.Stream, r.Consistency = &authzv1.Rule_Public{Public: &authzv1.Public{}}, nil, nil, nil
	})
	if m.Rule.GetAuthenticated() == nil {
		e.loosen("any token", "policy", func(r *authzv1.Rule) {
			r.Policy = &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}}
		})
	}
	if m.Rule.GetDeny() != nil {
		return e.list
	}
	e.token()
	e.settings()
	e.policy()

	return e.list
}

func (e *compareEdits) token() {
	token := e.rule.GetAccessToken()
	for i := range token.GetScopes() {
		e.loosen("a scope dropped", "access_token.scopes", func(r *authzv1.Rule) {
			r.AccessToken.Scopes = slices.Delete(r.GetAccessToken().GetScopes(), i, i+1)
		})
	}
	e.undo("a new scope dropped", "access_token.scopes", func(r *authzv1.Rule) {
		r.AccessToken.Scopes = append(r.GetAccessToken().GetScopes(), "more")
	})
	if len(token.GetAnyScope()) > 0 {
		e.loosen("any_scope widened", "access_token.any_scope", func(r *authzv1.Rule) {
			r.AccessToken.AnyScope = append(r.GetAccessToken().GetAnyScope(), "more")
		})
	}
	if len(token.GetAcrValues()) > 0 {
		e.loosen("acr_values dropped", "access_token.acr_values", func(r *authzv1.Rule) { r.AccessToken.AcrValues = nil })
	} else {
		e.undo("acr_values dropped", "access_token.acr_values", func(r *authzv1.Rule) { r.AccessToken.AcrValues = []string{"mfa"} })
	}
	if age := token.GetMaxAge(); age != nil {
		e.loosen("max_age raised", "access_token.max_age", func(r *authzv1.Rule) {
			r.AccessToken.MaxAge = durationpb.New(age.AsDuration() + time.Second)
		})
	} else {
		e.undo("max_age dropped", "access_token.max_age", func(r *authzv1.Rule) { r.AccessToken.MaxAge = durationpb.New(time.Hour) })
	}
	service, user := authzv1.Kind_KIND_SERVICE, authzv1.Kind_KIND_USER
	if len(token.GetKinds()) == 1 {
		e.loosen("kinds widened", "access_token.kinds", func(r *authzv1.Rule) { r.AccessToken.Kinds = []authzv1.Kind{user, service} })
	} else {
		e.undo("kinds dropped", "access_token.kinds", func(r *authzv1.Rule) { r.AccessToken.Kinds = []authzv1.Kind{service} })
	}
	if len(token.GetIssuers()) > 0 {
		e.loosen("an issuer more", "access_token.issuers", func(r *authzv1.Rule) {
			r.AccessToken.Issuers = append(r.GetAccessToken().GetIssuers(), "more")
		})
	} else {
		e.undo("issuers dropped", "access_token.issuers", func(r *authzv1.Rule) { r.AccessToken.Issuers = []string{"corp"} })
	}
	if token.GetValidation() != authzv1.Validation_VALIDATION_LOCAL {
		e.loosen("validated locally", "access_token.validation", func(r *authzv1.Rule) {
			r.AccessToken.Validation = authzv1.Validation_VALIDATION_LOCAL
		})
	}
}

func (e *compareEdits) settings() {
	if e.rule.GetOnDeny() == authzv1.OnDeny_ON_DENY_NOT_FOUND {
		e.loosen("existence told", "on_deny", func(r *authzv1.Rule) { r.OnDeny = 0 })
	} else {
		e.undo("existence told", "on_deny", func(r *authzv1.Rule) { r.OnDeny = authzv1.OnDeny_ON_DENY_NOT_FOUND })
	}
	if e.rule.GetConsistency().GetMode() == authzv1.Mode_MODE_FULLY_CONSISTENT {
		e.loosen("staler", "consistency.mode", func(r *authzv1.Rule) { r.Consistency = nil })
	} else if text := fmt.Sprint(e.rule); strings.Contains(text, "check:") || strings.Contains(text, "handler:") {
		e.undo("staler", "consistency.mode", func(r *authzv1.Rule) {
			r.Consistency = &authzv1.Consistency{Mode: authzv1.Mode_MODE_FULLY_CONSISTENT}
		})
	}
	if recheck := e.rule.GetStream().GetRecheckInterval(); recheck != nil {
		e.loosen("rechecked never", "stream.recheck_interval", func(r *authzv1.Rule) { r.Stream.RecheckInterval = nil })
		e.loosen("rechecked later", "stream.recheck_interval", func(r *authzv1.Rule) {
			r.Stream.RecheckInterval = durationpb.New(recheck.AsDuration() + time.Second)
		})
	}
	if first := authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE; e.stream && e.rule.GetStream().GetMessageCheck() != first {
		e.loosen("the first message only", "stream.message_check", func(r *authzv1.Rule) { r.Stream.MessageCheck = first })
	}
}

func (e *compareEdits) limit() {
	limit := e.rule.GetRateLimit()
	if limit == nil {
		e.undo("no limit", "rate_limit", func(r *authzv1.Rule) {
			r.RateLimit = &authzv1.RateLimit{Requests: 1, Per: durationpb.New(time.Second), Key: authzv1.RateLimit_KEY_METHOD}
		})

		return
	}
	e.loosen("no limit", "rate_limit", func(r *authzv1.Rule) { r.RateLimit = nil })
	e.loosen("more requests", "rate_limit", func(r *authzv1.Rule) { r.RateLimit.Requests++ })
	e.loosen("a shorter period", "rate_limit", func(r *authzv1.Rule) { r.RateLimit.Per = durationpb.New(limit.GetPer().AsDuration() / 2) })
	e.loosen("more at once", "rate_limit", func(r *authzv1.Rule) { r.RateLimit.Burst = limit.GetRequests() + limit.GetBurst() + 1 })
	if limit.GetKey() == authzv1.RateLimit_KEY_METHOD {
		e.loosen("each client of its own", "rate_limit", func(r *authzv1.Rule) { r.RateLimit.Key = authzv1.RateLimit_KEY_CLIENT })
	}
	if limit.GetScope() == authzv1.RateLimit_SCOPE_UNSPECIFIED {
		e.loosen("each process for itself", "rate_limit", func(r *authzv1.Rule) { r.RateLimit.Scope = authzv1.RateLimit_SCOPE_PROCESS })
	}
}

// condition returns the policy as a condition of a group, nil if it can't be one.
func compareCondition(rule *authzv1.Rule) *authzv1.Condition {
	switch policy := rule.GetPolicy().(type) {
	case *authzv1.Rule_Check:
		return &authzv1.Condition{Condition: &authzv1.Condition_Check{Check: policy.Check}}
	case *authzv1.Rule_Match:
		return &authzv1.Condition{Condition: &authzv1.Condition_Match{Match: policy.Match}}
	case *authzv1.Rule_Permission:
		return &authzv1.Condition{Condition: &authzv1.Condition_Permission{Permission: policy.Permission}}
	case *authzv1.Rule_Attributes:
		return &authzv1.Condition{Condition: &authzv1.Condition_Attributes{Attributes: policy.Attributes}}
	case *authzv1.Rule_Expression:
		return &authzv1.Condition{Condition: &authzv1.Condition_Expression{Expression: policy.Expression}}
	case *authzv1.Rule_AllOf:
		return &authzv1.Condition{Condition: &authzv1.Condition_AllOf{AllOf: policy.AllOf}}
	case *authzv1.Rule_AnyOf:
		return &authzv1.Condition{Condition: &authzv1.Condition_AnyOf{AnyOf: policy.AnyOf}}
	default:
		return nil
	}
}

// groups returns all groups of a rule's conditions.
func compareGroups(rule *authzv1.Rule) (allOf []*authzv1.AllOf, anyOf []*authzv1.AnyOf) {
	var walk func(conditions []*authzv1.Condition)
	walk = func(conditions []*authzv1.Condition) {
		for _, condition := range conditions {
			if all := condition.GetAllOf(); all != nil {
				allOf = append(allOf, all)
				walk(all.GetConditions())
			}
			if some := condition.GetAnyOf(); some != nil {
				anyOf = append(anyOf, some)
				walk(some.GetConditions())
			}
		}
	}
	if whole := compareCondition(rule); whole != nil {
		walk([]*authzv1.Condition{whole})
	}

	return allOf, anyOf
}

func (e *compareEdits) policy() {
	stranger := &authzv1.Condition{Condition: &authzv1.Condition_Check{Check: &authzv1.Check{Object: "platform:main", Relation: "stranger"}}}
	if compareCondition(e.rule) != nil {
		e.loosen("others, too", "policy", func(r *authzv1.Rule) {
			r.Policy = &authzv1.Rule_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: []*authzv1.Condition{compareCondition(r), stranger}}}
		})
		e.undo("one thing less", "policy", func(r *authzv1.Rule) {
			r.Policy = &authzv1.Rule_AllOf{AllOf: &authzv1.AllOf{Conditions: []*authzv1.Condition{compareCondition(r), stranger}}}
		})
		e.undo("a role less", "policy", func(r *authzv1.Rule) {
			role := &authzv1.Condition{Condition: &authzv1.Condition_HasRole{HasRole: &authzv1.HasRole{Role: "clerk"}}}
			r.Policy = &authzv1.Rule_AllOf{AllOf: &authzv1.AllOf{Conditions: []*authzv1.Condition{role, compareCondition(r)}}}
		})
	}
	allOf, anyOf := compareGroups(e.rule)
	for i, all := range allOf {
		for k := range all.GetConditions() {
			if len(all.GetConditions()) > 1 {
				e.loosen("a condition dropped", "policy", func(r *authzv1.Rule) {
					groups, _ := compareGroups(r)
					groups[i].Conditions = slices.Delete(groups[i].GetConditions(), k, k+1)
				})
			}
		}
	}
	if all := e.rule.GetAllOf(); len(all.GetConditions()) > 1 {
		e.loosen("all_of made any_of", "policy", func(r *authzv1.Rule) {
			r.Policy = &authzv1.Rule_AnyOf{AnyOf: &authzv1.AnyOf{Conditions: r.GetAllOf().GetConditions()}}
		})
	}
	for i := range anyOf {
		e.loosen("another way in", "policy", func(r *authzv1.Rule) {
			_, groups := compareGroups(r)
			groups[i].Conditions = append(groups[i].GetConditions(), stranger)
		})
	}
	if e.rule.GetCheck().GetOnMissing() == authzv1.OnMissing_ON_MISSING_DENY {
		e.loosen("the field told", "check.on_missing", func(r *authzv1.Rule) { r.GetCheck().OnMissing = 0 })
	}
}

// TestCompareNamesEachLoosening loosens each real rule in each part that it has.
func TestCompareNamesEachLoosening(t *testing.T) {
	edits, kinds := 0, map[string]int{}
	for name, m := range compareRealMethods(t) {
		for _, edit := range compareEditsOf(&m) {
			edits++
			kinds[edit.name]++
			policy := func(rule *authzv1.Rule) *authz.Policy {
				changed := m
				changed.Rule = rule

				return &authz.Policy{
					Subjects: authz.Subjects{Service: "service:{$issuer}.{$client_id}", User: "user:{$issuer}.{$sub}"},
					Methods:  []authz.MethodPolicy{{Method: "a.A/A", Rule: m.Rule}, changed, {Method: "z.Z/Z", Rule: m.Rule}},
				}
			}
			comparison := lint.Compare(policy(edit.old), policy(edit.new), lint.CompareConfig{})
			if len(comparison.Changes) != 1 || comparison.Changes[0].Method != name {
				t.Errorf("%s: %s: %v\n%v\n%v", name, edit.name, comparison.Changes, edit.old, edit.new)

				continue
			}
			change := comparison.Changes[0]
			if !slices.ContainsFunc(change.Differences, func(d lint.Difference) bool {
				return d.Part == edit.part && (d.Verdict == lint.Looser || d.Verdict == lint.Both)
			}) || change.Verdict != lint.Looser && change.Verdict != lint.Both {
				t.Errorf("%s: %s isn't told: %v\n%v\n%v", name, edit.name, change, edit.old, edit.new)
			}
			compareReadable(t, change)
			compareMirrored(t, comparison, lint.Compare(policy(edit.new), policy(edit.old), lint.CompareConfig{}))
		}
	}
	t.Logf("%d loosenings: %v", edits, kinds)
	if edits < 200 {
		t.Errorf("only %d loosenings", edits)
	}
}

// compareMirrored fails if two comparisons don't tell the reverse of each other.
func compareMirrored(tb testing.TB, there, back *lint.Comparison) {
	tb.Helper()
	tell := func(comparison *lint.Comparison, looser, tighter lint.Verdict) map[string]bool {
		told := map[string]bool{}
		for _, change := range comparison.Changes {
			if change.Old != nil && len(change.Old.Faults) > 0 || change.New != nil && len(change.New.Faults) > 0 {
				continue // what a new fault is told as isn't the reverse of anything
			}
			for _, d := range change.Differences {
				verdict := map[lint.Verdict]lint.Verdict{lint.Looser: looser, lint.Tighter: tighter}[d.Verdict]
				if verdict == lint.Same {
					verdict = d.Verdict
				}
				part := d.Part
				if strings.HasSuffix(part, ".on_missing") {
					part = "on_missing" // of conditions of the new rule, one for each object
				}
				told[change.Method+" "+part+" "+verdict.String()] = true
			}
		}

		return told
	}
	if a, b := tell(there, lint.Looser, lint.Tighter), tell(back, lint.Tighter, lint.Looser); !maps.Equal(a, b) {
		tb.Errorf("one way: %v\nthe other way: %v", a, b)
	}
}

// compareReadable fails for a witness that isn't short, or not on one line.
func compareReadable(tb testing.TB, change lint.Change) {
	tb.Helper()
	for _, d := range change.Differences {
		if len(d.Witness) < 10 || len(d.Witness) > 700 || strings.ContainsAny(d.Witness, "\n\r\t") {
			tb.Errorf("%s: %q", d.Part, d.Witness)
		}
	}
}

// TestCompareNamesEachMethodThatInherits loosens a service's default in each part.
func TestCompareNamesEachMethodThatInherits(t *testing.T) {
	const methods = 40
	base := compareRule(t, `all_of: {
		conditions: {check: {object: "document:{text}" relation: "viewer"}}
		conditions: {any_of: {conditions: {has_role: {role: "a"}} conditions: {in_group: {group: "b"}}}}
	}
	access_token: {
		scopes: ["read", "write"] any_scope: ["x", "y"] acr_values: "mfa" max_age: {seconds: 60} kinds: KIND_USER issuers: "corp"
	}
	consistency: {mode: MODE_FULLY_CONSISTENT} on_deny: ON_DENY_NOT_FOUND
	rate_limit: {requests: 5 per: {seconds: 1} key: KEY_METHOD}`)
	compiled := func(def *authzv1.Rule) *authz.Policy {
		policy, err := lint.Compile(lint.Source{
			Files:    compareFiles(t, def, make([]*authzv1.Rule, methods)),
			Subjects: authz.Subjects{Service: "service:{$issuer}.{$client_id}", User: "user:{$issuer}.{$sub}"},
		})
		if err != nil {
			t.Fatal(err)
		}

		return policy
	}
	before := compiled(base)
	for _, edit := range compareEditsOf(&authz.MethodPolicy{Rule: base}) {
		if edit.name == "made public" || edit.old != base || edit.name == "an issuer more" {
			continue // refused in a default, or with roles of several issuers
		}
		comparison := lint.Compare(before, compiled(edit.new), lint.CompareConfig{})
		if len(comparison.Changes) != methods {
			t.Errorf("%s: %d changes", edit.name, len(comparison.Changes))
		}
		for _, change := range comparison.Changes {
			if change.Verdict != lint.Looser || change.Differences[0].Part != edit.part {
				t.Errorf("%s: %v", edit.name, change)
			}
		}
	}
}
