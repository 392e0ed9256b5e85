package lint_test

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/lint"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

func locked(tb testing.TB, policy *authz.Policy) []byte {
	tb.Helper()
	text, err := lint.WriteLock(policy)
	if err != nil {
		tb.Fatal(err)
	}

	return text
}

// equalPolicies reports whether two policies are equal in all that a lock file has.
func equalPolicies(a, b *authz.Policy) bool {
	if a.Subjects != b.Subjects || a.ClaimPermissions != b.ClaimPermissions || !slices.Equal(a.Issuers, b.Issuers) ||
		len(a.IssuerSubjects)+len(b.IssuerSubjects) > 0 && !reflect.DeepEqual(a.IssuerSubjects, b.IssuerSubjects) {
		return false
	}

	return slices.EqualFunc(a.Methods, b.Methods, func(a, b authz.MethodPolicy) bool {
		return a.Method == b.Method && a.File == b.File && a.ClientStreaming == b.ClientStreaming && a.ServerStreaming == b.ServerStreaming &&
			slices.Equal(a.Inherited, b.Inherited) && (a.Rule == nil) == (b.Rule == nil) && proto.Equal(a.Rule, b.Rule)
	})
}

func small() *authz.Policy {
	return &authz.Policy{
		Subjects:       authz.Subjects{User: "user:{$issuer}/{$sub}"},
		IssuerSubjects: map[string]authz.Subjects{"b": {Service: "service:<{$client_id}>"}, "a": {User: "user:a/{$sub}"}},
		Issuers:        []string{"c", "a", "b"}, ClaimPermissions: true,
		Methods: []authz.MethodPolicy{
			{Method: "t.S/None", File: "t.proto", Line: 7},
			{
				Method: "t.S/Get", File: "t.proto", Line: 12, ServerStreaming: true, Inherited: []string{"access_token.max_age"},
				Rule: &authzv1.Rule{
					Policy:      &authzv1.Rule_Check{Check: &authzv1.Check{Object: "document:{id}", Relation: "viewer"}},
					AccessToken: &authzv1.AccessToken{MaxAge: durationpb.New(300e9), Kinds: []authzv1.Kind{authzv1.Kind_KIND_USER}},
				},
			},
		},
	}
}

func TestWriteLock(t *testing.T) {
	const want = `{
  "version": 1,
  "subjects": {
    "user": "user:{$issuer}/{$sub}"
  },
  "issuer_subjects": {
    "a": {
      "user": "user:a/{$sub}"
    },
    "b": {
      "service": "service:<{$client_id}>"
    }
  },
  "issuers": [
    "a",
    "b",
    "c"
  ],
  "claim_permissions": true,
  "methods": {
    "t.S/Get": {
      "file": "t.proto",
      "server_streaming": true,
      "rule": {
        "check": {
          "object": "document:{id}",
          "relation": "viewer"
        },
        "access_token": {
          "max_age": "300s",
          "kinds": [
            "KIND_USER"
          ]
        }
      },
      "inherited": [
        "access_token.max_age"
      ]
    },
    "t.S/None": {
      "file": "t.proto"
    }
  }
}
`
	for range 20 { // protojson's white space varies
		if got := string(locked(t, small())); got != want {
			t.Fatalf("got:\n%s", got)
		}
	}
	read, err := lint.ReadLock([]byte(want))
	if err != nil {
		t.Fatal(err)
	}
	original := small()
	slices.Sort(original.Issuers)
	slices.Reverse(original.Methods)
	if !equalPolicies(read, original) {
		t.Errorf("read %+v", read)
	}
}

func TestLockOfEveryRuleOfTheTests(t *testing.T) {
	policy, err := lint.Compile(lint.Source{Files: protoregistry.GlobalFiles})
	if err != nil {
		t.Fatal(err)
	}
	policy.Methods = slices.DeleteFunc(policy.Methods, func(m authz.MethodPolicy) bool { return len(m.Faults) > 0 })
	policy.Faults = nil
	read, err := lint.ReadLock(locked(t, policy))
	if err != nil || !equalPolicies(read, policy) || len(read.Methods) < 20 {
		t.Errorf("%d methods: %v", len(policy.Methods), err)
	}
}

func TestWriteLockRefuses(t *testing.T) {
	fault := &authz.RuleError{ID: authz.FaultRuleInvalid, Method: "t.S", Problem: "the descriptor can't be read"}
	unknown := &authzv1.Rule{Policy: small().Methods[1].Rule.GetPolicy()}
	unknown = proto.CloneOf(unknown)
	unknown.GetCheck().ProtoReflect().SetUnknown([]byte{0xf8, 0x7f, 1})
	for name, policy := range map[string]*authz.Policy{
		"nothing":                   nil,
		"a method with a fault":     {Methods: []authz.MethodPolicy{{Method: "t.S/Get", Faults: []*authz.RuleError{fault}}}},
		"a service with a fault":    {Methods: []authz.MethodPolicy{{Method: "t.S/Get"}}, Faults: []*authz.RuleError{fault}},
		"a method twice":            {Methods: []authz.MethodPolicy{{Method: "t.S/Get"}, {Method: "t.S/Get"}}},
		"a method without a name":   {Methods: []authz.MethodPolicy{{}}},
		"a rule without a policy":   {Methods: []authz.MethodPolicy{{Method: "t.S/Get", Rule: &authzv1.Rule{}}}},
		"row 54: unknown fields":    {Methods: []authz.MethodPolicy{{Method: "t.S/Get", Rule: unknown}}},
		"a subject that isn't text": {Subjects: authz.Subjects{User: "user:\xff"}},
		"a file that isn't text":    {Methods: []authz.MethodPolicy{{Method: "t.S/Get", File: "\xff"}}},
		"an issuer that isn't text": {Issuers: []string{"\xff"}},
	} {
		if text, err := lint.WriteLock(policy); err == nil || text != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := &authz.Policy{Methods: []authz.MethodPolicy{{Method: "t.Other/Get"}}, Faults: []*authz.RuleError{fault}}
	if _, err := lint.WriteLock(other); err != nil {
		t.Error("a fault of a service that isn't in the policy:", err)
	}
}

func TestReadLockRefuses(t *testing.T) {
	rule := func(text string) string {
		return "{\"version\": 1,\n\"methods\": {\n\"t.S/Get\": {\"rule\":\n" + text + "}}}"
	}
	for name, tc := range map[string]struct{ text, want string }{
		"nothing":                     {"", "line 1: this isn't an object"},
		"a list":                      {"[]", "isn't an object"},
		"an end too early":            {`{"version": 1, "methods": {`, "isn't JSON"},
		"no version":                  {`{"methods": {}}`, "there is no version"},
		"no methods":                  {`{"version": 1}`, "there are no methods"},
		"another version":             {"{\n\"version\": 2}", "line 2: the version is 2"},
		"a version as text":           {`{"version": "1"}`, "isn't a number"},
		"an unknown name":             {"{\"version\": 1,\n\n\"extra\": 1}", `line 3: unknown name "extra"`},
		"a name in other letters":     {`{"Version": 1}`, `unknown name "Version"`},
		"a name twice":                {"{\"version\": 1,\n\"version\": 1}", `line 2: "version" is there twice`},
		"a method twice":              {"{\"version\": 1, \"methods\": {\"t.S/Get\": {},\n\"t.S/Get\": {}}}", `line 2: "t.S/Get" is there twice`},
		"an issuer twice":             {`{"version": 1, "issuers": ["a", "a"], "methods": {}}`, `has "a" twice`},
		"an issuer's subjects twice":  {`{"version": 1, "issuer_subjects": {"a": {}, "a": {}}, "methods": {}}`, "twice"},
		"subjects of another kind":    {`{"version": 1, "subjects": {"robot": "a"}, "methods": {}}`, `unknown name "robot"`},
		"a subject that is null":      {`{"version": 1, "subjects": {"user": null}, "methods": {}}`, "isn't a string"},
		"a flag as text":              {`{"version": 1, "claim_permissions": "true", "methods": {}}`, "isn't true or false"},
		"a method without a service":  {`{"version": 1, "methods": {"Get": {}}}`, "isn't that of a method"},
		"an unknown name of a method": {`{"version": 1, "methods": {"t.S/Get": {"line": 3}}}`, `unknown name "line"`},
		"more after the end":          {`{"version": 1, "methods": {}} {}`, "more after"},
		"a rule that is null":         {rule("null"), "line 4: the rule of"},
		"a rule that is text":         {rule(`"public"`), "line 4: the rule of"},
		"an unknown part of a rule":   {rule("{\"public\": {},\n\"extra\": 1}"), `line 5: the rule of "t.S/Get": unknown field "extra"`},
		"a part of a rule twice":      {rule(`{"public": {}, "on_deny": 1, "on_deny": 1}`), "line 4"},
		"two policies":                {rule(`{"public": {}, "deny": {}}`), "line 4"},
		"a rule without a policy":     {rule(`{"access_token": {"scopes": ["a"]}}`), `line 4: "t.S/Get": the rule has no policy`},
		"a rule that nests too deep":  {rule(strings.Repeat(`{"all_of":{"conditions":[`, 40) + strings.Repeat("]}}", 40)), "line 4"},
		"a rule that is too long":     {rule(`{"public": {"reason": "` + strings.Repeat("a", 1<<20) + `"}}`), "longer than"},
		"text that isn't UTF-8":       {"{\"version\": 1, \"methods\": {\"t.S/G\xff\": {}}}", "isn't UTF-8"},
		"a long name":                 {`{"` + strings.Repeat("a", 1<<20) + `": 1}`, "unknown name"},
	} {
		t.Run(name, func(t *testing.T) {
			policy, err := lint.ReadLock([]byte(tc.text))
			if err == nil || policy != nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("%v, want %q", err, tc.want)
			}
			if len(err.Error()) > 600 || strings.ContainsAny(err.Error(), "\n\u00a0") {
				t.Errorf("%d bytes: %q", len(err.Error()), err)
			}
		})
	}
	if _, err := lint.ReadLock(make([]byte, 64<<20+1)); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Error(err)
	}
	many := []byte(`{"version": 1, "methods": {`)
	for i := range 100_001 {
		many = fmt.Appendf(many, `"t.S/M%d":{},`, i)
	}
	many = append(bytes.TrimSuffix(many, []byte(",")), "}}"...)
	if _, err := lint.ReadLock(many); err == nil || !strings.Contains(err.Error(), "more than 100000 methods") {
		t.Error(err)
	}
}

// What is read is written, and read again, as it was.
func FuzzReadLock(f *testing.F) {
	f.Add(locked(f, small()))
	f.Add([]byte(`{"version": 1, "methods": {"t.S/Get": {"rule": {"any_of": {"conditions": [{"has_scope": {"scope": "a"}}]}}}}}`))
	f.Add([]byte(`{"version": 1, "issuers": ["a", "b"], "subjects": {"user": "\u0000"}, "methods": {}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		policy, err := lint.ReadLock(text)
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}

			return
		}
		again, err := lint.WriteLock(policy)
		if err != nil {
			t.Fatal(err)
		}
		read, err := lint.ReadLock(again)
		if err != nil || !equalPolicies(policy, read) {
			t.Fatalf("%v\n%s", err, again)
		}
		if third, err := lint.WriteLock(read); err != nil || !bytes.Equal(again, third) {
			t.Fatal(err)
		}
	})
}

func BenchmarkLock(b *testing.B) {
	policy := &authz.Policy{}
	rule := small().Methods[1].Rule
	for i := range 1000 {
		policy.Methods = append(policy.Methods, authz.MethodPolicy{Method: fmt.Sprintf("t.S/M%d", i), File: "t.proto", Rule: rule})
	}
	text := locked(b, policy)
	b.Run("write 1000 methods", func(b *testing.B) {
		for b.Loop() {
			locked(b, policy)
		}
	})
	b.Run("read 1000 methods", func(b *testing.B) {
		for b.Loop() {
			if _, err := lint.ReadLock(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}
