package authz_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// ruled is a service "t.S" over Kinds, with a method for each rule; nil: none.
func ruled(tb testing.TB, defaults *authzv1.ServiceRule, rules map[string]*authzv1.Rule) *protoregistry.Files {
	tb.Helper()

	return ruledOver(tb, &docsv1.Kinds{}, defaults, rules)
}

// ruledOver is ruled for methods over another message.
func ruledOver(tb testing.TB, input proto.Message, defaults *authzv1.ServiceRule, rules map[string]*authzv1.Rule) *protoregistry.Files {
	tb.Helper()
	message := input.ProtoReflect().Descriptor()
	name := proto.String("." + string(message.FullName()))
	service := &descriptorpb.ServiceDescriptorProto{Name: proto.String("S"), Options: &descriptorpb.ServiceOptions{}}
	if defaults != nil {
		proto.SetExtension(service.GetOptions(), authzv1.E_ServiceRule, defaults)
	}
	for method, rule := range rules {
		declared := &descriptorpb.MethodDescriptorProto{
			Name: proto.String(method), InputType: name, OutputType: name, Options: &descriptorpb.MethodOptions{},
			ClientStreaming: proto.Bool(strings.HasPrefix(method, "Stream")),
		}
		if rule != nil {
			proto.SetExtension(declared.GetOptions(), authzv1.E_Rule, rule)
		}
		service.Method = append(service.Method, declared)
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("t.proto"), Package: proto.String("t"), Syntax: proto.String("proto3"),
		Dependency: []string{message.ParentFile().Path()},
		Service:    []*descriptorpb.ServiceDescriptorProto{service},
	}, protoregistry.GlobalFiles)
	if err != nil {
		tb.Fatal(err)
	}
	files := &protoregistry.Files{}
	if err := files.RegisterFile(file); err != nil {
		tb.Fatal(err)
	}

	return files
}

func check(object, relation string) *authzv1.Rule {
	return &authzv1.Rule{Policy: &authzv1.Rule_Check{Check: &authzv1.Check{Object: object, Relation: relation}}}
}

// one compiles one rule over Kinds and returns its method.
func one(tb testing.TB, engine authz.Engine, name string, rule *authzv1.Rule) *authz.Method {
	tb.Helper()
	method := newAuthorizer(tb, authz.Config{Engine: engine, Resolver: ruled(tb, nil, map[string]*authzv1.Rule{name: rule})}).Method("/t.S/" + name)
	if err := method.Err(); err != nil {
		tb.Fatal(err)
	}

	return method
}

func TestMethodsWithoutARule(t *testing.T) {
	authorizer := newAuthorizer(t, authz.Config{Engine: newTuples(), Resolver: ruled(t, nil, map[string]*authzv1.Rule{
		"With": {Policy: &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}}}, "Without": nil,
	})})
	for name, method := range map[string]string{
		"row 53: method without a rule":              "/t.S/Without",
		"row 53: method absent from the descriptors": "/t.S/Absent",
		"row 53: service registered after the check": "/late.v1.Service/Method",
		"row 53: no method at all":                   "",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := authorizer.Authorize(t.Context(), method, user("alice"), nil); reasonOf(err) != authz.ReasonRuleMissing {
				t.Errorf("got %v, want %v", err, authz.ReasonRuleMissing)
			}
			if err := authorizer.ValidateMethods("/t.S/With", method); err == nil || !strings.Contains(err.Error(), "has no rule") {
				t.Errorf("at start: %v", err)
			}
		})
	}
	if err := authorizer.ValidateMethods("/t.S/With"); err != nil {
		t.Error(err)
	}
}

func TestZeroChecksDeny(t *testing.T) {
	engine := newTuples("document:#viewer@user:alice")
	deny := check("document:{texts[]}", "viewer")
	deny.GetCheck().OnMissing = authzv1.OnMissing_ON_MISSING_DENY
	for name, tc := range map[string]struct {
		rule *authzv1.Rule
		want authz.Reason
	}{
		"row 56: an empty list is invalid":                 {check("document:{texts[]}", "viewer"), authz.ReasonObjectMissing},
		"row 56: an empty list is denied if the rule says": {deny, authz.ReasonRelationDenied},
		"row 56: an empty list in a match is denied": {
			&authzv1.Rule{Policy: &authzv1.Rule_Match{Match: &authzv1.Match{Left: "{texts[]}", Right: "{$sub}"}}}, authz.ReasonRelationDenied,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := one(t, engine, "M", tc.rule).Authorize(t.Context(), &authz.Call{Principal: user("alice"), Message: &docsv1.Kinds{}})
			if got := reasonOf(err); got != tc.want || engine.requests() != 0 {
				t.Errorf("got %v after %d requests, want %v", err, engine.requests(), tc.want)
			}
		})
	}
}

func TestMissingValuesAreNamedAndTheEngineIsNotAsked(t *testing.T) {
	for name, tc := range map[string]struct {
		object  string
		message *docsv1.Kinds
		field   string
	}{
		"row 57: default scalar":         {"document:{text}", &docsv1.Kinds{}, "text"},
		"row 57: unset optional":         {"document:{optional_text}", &docsv1.Kinds{}, "optional_text"},
		"row 57: unset oneof":            {"document:{first}", &docsv1.Kinds{}, "first"},
		"row 57: zero enum":              {"document:{color}", &docsv1.Kinds{}, "color"},
		"row 57: unset message":          {"document:{nested.item.id}", &docsv1.Kinds{}, "nested.item.id"},
		"row 57: one element of a list":  {"document:{items[].id}", &docsv1.Kinds{Items: []*docsv1.Item{{Id: "a"}, {}}}, "items[1].id"},
		"row 55: wildcard in a list":     {"document:{texts[]}", &docsv1.Kinds{Texts: []string{"a", "*"}}, "texts[1]"},
		"row 55: userset in the request": {"document:{text}", &docsv1.Kinds{Text: "1#viewer"}, "text"},
	} {
		t.Run(name, func(t *testing.T) {
			engine := newTuples()
			_, err := one(t, engine, "M", check(tc.object, "viewer")).Authorize(t.Context(), &authz.Call{Principal: user("alice"), Message: tc.message})
			refused, _ := err.(*authz.Error) //nolint:errorlint // the type itself is promised
			if refused == nil || refused.Reason != authz.ReasonObjectMissing || refused.Field != tc.field || engine.requests() != 0 {
				t.Errorf("got %v after %d requests, want OBJECT_MISSING of %s", err, engine.requests(), tc.field)
			}
		})
	}
}

func TestInheritance(t *testing.T) {
	defaults := &authzv1.ServiceRule{Default: &authzv1.Rule{
		Policy:      &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}},
		AccessToken: &authzv1.AccessToken{Scopes: []string{"base"}, Kinds: []authzv1.Kind{authzv1.Kind_KIND_USER}},
		Stream:      &authzv1.Stream{MessageCheck: authzv1.MessageCheck_MESSAGE_CHECK_FIRST_MESSAGE, RecheckInterval: durationpb.New(time.Minute)},
		Consistency: &authzv1.Consistency{Mode: authzv1.Mode_MODE_AT_LEAST_AS_FRESH, Revision: "{$metadata.x-rev}"},
		OnDeny:      authzv1.OnDeny_ON_DENY_NOT_FOUND,
	}}
	authorizer := newAuthorizer(t, authz.Config{Engine: newTuples("document:a#viewer@user:alice"), Resolver: ruled(t, defaults, map[string]*authzv1.Rule{
		"Nothing":    nil,
		"OwnScope":   {AccessToken: &authzv1.AccessToken{Scopes: []string{"own"}}},
		"OwnPolicy":  check("document:{text}", "viewer"),
		"Public":     {Policy: &authzv1.Rule_Public{Public: &authzv1.Public{}}},
		"Deny":       {Policy: &authzv1.Rule_Deny{Deny: &authzv1.Deny{}}},
		"OwnOnDeny":  {OnDeny: authzv1.OnDeny_ON_DENY_PERMISSION_DENIED},
		"OwnMode":    {Consistency: &authzv1.Consistency{Mode: authzv1.Mode_MODE_MINIMIZE_LATENCY}},
		"Stream":     nil,
		"StreamOwn":  {Stream: &authzv1.Stream{RecheckInterval: durationpb.New(time.Second)}},
		"StreamEach": {Stream: &authzv1.Stream{MessageCheck: authzv1.MessageCheck_MESSAGE_CHECK_EACH_MESSAGE}},
		"StreamShut": {Policy: &authzv1.Rule_Deny{Deny: &authzv1.Deny{}}},
	})})
	if err := authorizer.Faults(); err != nil {
		t.Fatal(err)
	}
	base, own := user("alice"), user("alice")
	base.scopes, own.scopes = []string{"base"}, []string{"own"}
	service := backend("b")
	service.scopes = []string{"own", "base"}
	message := &docsv1.Kinds{Text: "a"}
	for name, tc := range map[string]struct {
		method string
		caller *caller
		want   authz.Reason
	}{
		"the policy is inherited":                    {"Nothing", base, ""},
		"the scope is inherited":                     {"Nothing", own, authz.ReasonInsufficientScope},
		"a list that is set replaces":                {"OwnScope", own, ""},
		"a list that is set replaces the whole":      {"OwnScope", base, authz.ReasonInsufficientScope},
		"what is beside it is still inherited":       {"OwnScope", service, authz.ReasonKindDenied},
		"a policy of its own keeps the token's part": {"OwnPolicy", own, authz.ReasonInsufficientScope},
		"a policy of its own decides":                {"OwnPolicy", base, ""},
		"public drops the token's part":              {"Public", nil, ""},
		"deny drops the token's part":                {"Deny", own, authz.ReasonMethodDenied},
	} {
		t.Run(name, func(t *testing.T) {
			var principal authz.Principal
			if tc.caller != nil {
				principal = tc.caller
			}
			_, err := authorizer.Method("/t.S/"+tc.method).Authorize(t.Context(), &authz.Call{
				Principal: principal, Message: message, Metadata: func(string) string { return "r1" },
			})
			if got := reasonOf(err); got != tc.want {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	for method, want := range map[string]string{
		"Nothing": "hides=true first=false recheck=0s", "OwnOnDeny": "hides=false first=false recheck=0s", "Stream": "hides=true first=false recheck=1m0s",
		"StreamOwn": "hides=true first=false recheck=1s", "StreamEach": "hides=true first=false recheck=1m0s", "StreamShut": "hides=true first=false recheck=0s",
	} {
		m := authorizer.Method("/t.S/" + method)
		if got := fmt.Sprintf("hides=%v first=%v recheck=%v", m.HidesExistence(), m.FirstMessageOnly(), m.RecheckInterval()); got != want {
			t.Errorf("%s: %s, want %s", method, got, want)
		}
	}
}

func TestConsistency(t *testing.T) {
	engine := newTuples("document:a#viewer@user:alice")
	fresh := func(absent authzv1.Mode) *authzv1.Rule {
		rule := check("document:{text}", "viewer")
		rule.Consistency = &authzv1.Consistency{Mode: authzv1.Mode_MODE_AT_LEAST_AS_FRESH, Revision: "{$metadata.x-rev}", IfAbsent: absent}

		return rule
	}
	for name, tc := range map[string]struct {
		absent   authzv1.Mode
		revision string
		want     authz.Consistency
		reason   authz.Reason
	}{
		"revision of the call":              {0, "GhUKEzE3", authz.Consistency{Mode: authz.ModeAtLeastAsFresh, Revision: "GhUKEzE3"}, ""},
		"no revision: fully consistent":     {0, "", authz.Consistency{Mode: authz.ModeFullyConsistent}, ""},
		"no revision: as the rule says":     {authzv1.Mode_MODE_MINIMIZE_LATENCY, "", authz.Consistency{}, ""},
		"revision with white space":         {0, "a b", authz.Consistency{}, authz.ReasonRevisionInvalid},
		"revision with a control character": {0, "a\x00", authz.Consistency{}, authz.ReasonRevisionInvalid},
		"revision that is too long":         {0, strings.Repeat("a", 5000), authz.Consistency{}, authz.ReasonRevisionInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			engine.batches = nil
			_, err := one(t, engine, "M", fresh(tc.absent)).Authorize(t.Context(), &authz.Call{
				Principal: user("alice"), Message: &docsv1.Kinds{Text: "a"},
				Metadata: func(key string) string { return map[string]string{"x-rev": tc.revision}[key] },
			})
			if got := reasonOf(err); got != tc.reason {
				t.Fatalf("got %v, want %q", err, tc.reason)
			}
			if tc.reason == "" && engine.batches[0].Consistency != tc.want {
				t.Errorf("asked with %v, want %v", engine.batches[0].Consistency, tc.want)
			}
			if tc.reason != "" && engine.requests() > 0 {
				t.Error("the engine was asked")
			}
		})
	}
	t.Run("an engine that can't is a fault of the rule", func(t *testing.T) {
		authorizer := newAuthorizer(t, authz.Config{
			Engine: newTuplesUnrecorded(), Resolver: ruled(t, nil, map[string]*authzv1.Rule{"M": fresh(0)}),
		})
		if err := authorizer.ValidateMethods("/t.S/M"); err == nil || !strings.Contains(err.Error(), "can't answer at least as fresh") {
			t.Error(err)
		}
	})
}

func TestContextValues(t *testing.T) {
	rule := check("document:{text}", "viewer")
	for i, value := range []string{"{text}", "{flag}", "{ratio}", "{large}", "{large_unsigned}", "{color}", "{optional_text}", "x-{text}", "{$claim.level}", "{$peer.ip}", "{$now}", "{$sub}", "fixed", "{wrapped_large}"} {
		rule.GetCheck().Context = append(rule.GetCheck().Context, &authzv1.ContextValue{Name: fmt.Sprintf("v%02d", i), Value: value})
	}
	engine := newTuples("document:a#viewer@user:alice")
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	authorizer := newAuthorizer(t, authz.Config{
		Engine: engine, Resolver: ruled(t, nil, map[string]*authzv1.Rule{"M": rule}), Now: func() time.Time { return now },
		Cache: authz.CacheConfig{Size: 10, TTL: time.Hour},
	})
	caller := user("alice")
	caller.claims = map[string]any{"level": []any{"a", true}}
	call := &authz.Call{
		Principal: caller, PeerIP: netip.MustParseAddr("::ffff:10.0.0.1"),
		Message: &docsv1.Kinds{Text: "a", Ratio: 0.5, Large: 1 << 60, LargeUnsigned: 7, Color: docsv1.Color_COLOR_BLUE},
	}
	for range 2 {
		if _, err := authorizer.Method("/t.S/M").Authorize(t.Context(), call); err != nil {
			t.Fatal(err)
		}
	}
	got := fmt.Sprintf("%#v", engine.batches[0].Queries[0].Context)
	want := fmt.Sprintf("%#v", map[string]any{
		"v00": "a", "v01": false, "v02": 0.5, "v03": int64(1 << 60), "v04": uint64(7), "v05": "COLOR_BLUE", "v07": "x-a",
		"v08": []any{"a", true}, "v09": "10.0.0.1", "v10": "2030-01-02T03:04:05Z", "v11": "alice", "v12": "fixed",
	})
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if engine.requests() != 2 {
		t.Errorf("a query with the time in it was cached")
	}
}

func TestContextIsPartOfTheCachedQuery(t *testing.T) {
	rule := check("document:a", "viewer")
	rule.GetCheck().Context = []*authzv1.ContextValue{{Name: "b", Value: "{text}"}, {Name: "a", Value: "{large}"}}
	engine := newTuples("document:a#viewer@user:alice")
	authorizer := newAuthorizer(t, authz.Config{
		Engine: engine, Resolver: ruled(t, nil, map[string]*authzv1.Rule{"M": rule}), Cache: authz.CacheConfig{Size: 10, TTL: time.Hour},
	})
	for i, message := range []*docsv1.Kinds{{Text: "1", Large: 1}, {Text: "1", Large: 2}, {Text: "2", Large: 1}, {Text: "1", Large: 1}} {
		if _, err := authorizer.Authorize(t.Context(), "/t.S/M", user("alice"), message); err != nil {
			t.Fatal(err)
		}
		if want := min(i+1, 3); engine.requests() != want {
			t.Errorf("call %d: %d requests, want %d", i, engine.requests(), want)
		}
	}
}

func TestConditionalAnswerIsDeniedAndSaysWhatItLacks(t *testing.T) {
	method := one(t, conditionalEngine{}, "M", check("document:{text}", "viewer"))
	decision, err := method.Authorize(t.Context(), &authz.Call{Principal: user("alice"), Message: &docsv1.Kinds{Text: "a"}})
	if reasonOf(err) != authz.ReasonRelationDenied || !strings.Contains(decision.String(), `conditional without "region"`) {
		t.Errorf("%v\n%v", err, decision)
	}
}
