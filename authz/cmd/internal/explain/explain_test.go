package explain_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authztest"
	"github.com/usher-auth/usher/authz/cel"
	"github.com/usher-auth/usher/authz/cmd/internal/explain"
	"github.com/usher-auth/usher/authz/cmd/internal/load"
	"github.com/usher-auth/usher/authz/cmd/internal/report"
	"github.com/usher-auth/usher/authz/lint"
)

const docs = `syntax = "proto3";
package docs.v1;
import "usher/authz/v1/authz.proto";
import "google/protobuf/any.proto";
service Docs {
  option (.usher.authz.v1.service_rule) = {default: {access_token: {scopes: "docs"}}};
  rpc Get(GetRequest) returns (GetRequest) {
    option (.usher.authz.v1.rule) = {check: {object: "document:{id}" relation: "view"}};
  }
  rpc Hide(GetRequest) returns (GetRequest) {
    option (.usher.authz.v1.rule) = {check: {object: "document:{id}" relation: "view"} on_deny: ON_DENY_NOT_FOUND};
  }
  rpc Admin(GetRequest) returns (stream GetRequest) {
    option (.usher.authz.v1.rule) = {
      any_of: {
        conditions: {all_of: {conditions: {has_role: {role: "admin"}} conditions: {expression: {cel: "request.note != ''"}}}}
        conditions: {check: {object: "document:{id}" relation: "visit" context: {name: "trusted" value: "{flag}"}}}
      }
      access_token: {kinds: [KIND_USER] max_age: {seconds: 60}}
      rate_limit: {requests: 1 per: {seconds: 60} key: KEY_SUBJECT}
    };
  }
  rpc Broken(GetRequest) returns (GetRequest) {
    option (.usher.authz.v1.rule) = {check: {object: "document:{nope}" relation: "view"}};
  }
  rpc Handled(GetRequest) returns (GetRequest) {
    option (.usher.authz.v1.rule) = {handler: {reason: "a list"}};
  }
  rpc May(GetRequest) returns (GetRequest) {
    option (.usher.authz.v1.rule) = {attributes: {action: "edit" resource: "document:{id}" subject_properties: {name: "tier" value: "{$claim.tier}"}}};
  }
  rpc Cheap(GetRequest) returns (GetRequest) {
    option (.usher.authz.v1.rule) = {expression: {cel: "size(request.id) > 0 && size(request.id) < 5"}};
  }
}
service Ruleless { rpc Get(GetRequest) returns (GetRequest); }
message GetRequest { string id = 1; string note = 2; bool flag = 3; google.protobuf.Any any = 4; GetRequest within = 5; }
`

func source(tb testing.TB, text string) lint.Source {
	tb.Helper()
	sources, err := load.Read(context.Background(), load.Config{Sources: map[string][]byte{"docs.proto": []byte(text)}})
	if err != nil {
		tb.Fatal(err)
	}
	expressions, err := cel.New(cel.Config{})
	if err != nil {
		tb.Fatal(err)
	}

	return lint.Source{
		Files: sources[0].Files, Subjects: authz.Subjects{Service: "service:{$client_id}", User: "user:{$sub}"}, Expressions: expressions,
	}
}

func tuples(t *testing.T) *authztest.Engine {
	t.Helper()
	engine := authztest.NewModelEngine(authztest.SuiteModel())
	if _, err := engine.Write(t.Context(), authztest.MustTuples(
		"document:1#viewer@team:eng#member", "team:eng#member@user:alice", "document:1#guest@user:bob[on_network]",
	)...); err != nil {
		t.Fatal(err)
	}

	return engine
}

func text(t *testing.T, result *explain.Result) string {
	t.Helper()
	var out strings.Builder
	if err := result.WriteText(&out, report.Printable); err != nil {
		t.Fatal(err)
	}

	return out.String()
}

func request(method, as, message string) explain.Request {
	return explain.Request{
		Method: "docs.v1.Docs/" + method, Caller: explain.Caller{As: as, Scopes: []string{"docs"}}, Message: []byte(message),
	}
}

func TestCall(t *testing.T) {
	old := request("Admin", "user:bob", `{"id":"1","note":"x"}`)
	old.Caller.Age = "5m"
	young := request("Admin", "user:bob", `{"id":"1","flag":true}`)
	young.Caller.Age = "5s"
	unscoped := request("Get", "user:alice", `{"id":"1"}`)
	unscoped.Caller.Scopes = nil
	tier := request("May", "user:alice", `{"id":"1"}`)
	tier.Caller.Claims = map[string]any{"tier": "gold"}
	html := request("May", "user:alice", `{"id":"1"}`)
	html.Caller.Claims = map[string]any{"tier": "<&>\u2028\u202e"}
	unhandled := request("Handled", "user:alice", `{}`)
	unhandled.Caller.Scopes = nil
	for name, c := range map[string]struct {
		request explain.Request
		engine  any
		want    string
	}{
		"a grant with its trace": {request("Get", "user:alice", `{"id":"1"}`), tuples(t), `docs.v1.Docs/Get as user:alice: ALLOWED
rule at docs.proto:8: {"access_token":{"scopes":["docs"]},"check":{"object":"document:{id}","relation":"view"}}
  from the service's default: access_token.scopes
yes  scope "docs"  [service_rule.default.access_token.scopes[0]]
yes  check document:{id}#view  [rule.check]
  asked document:1#view@user:alice: allowed
    document:1#view@user:alice allowed
      document:1#viewer@user:alice allowed
        team:eng#member@user:alice allowed
`},
		"a scope that is missing": {unscoped, tuples(t), `docs.v1.Docs/Get as user:alice: DENIED INSUFFICIENT_SCOPE
  because authz: INSUFFICIENT_SCOPE
  the caller gets PERMISSION_DENIED INSUFFICIENT_SCOPE
rule at docs.proto:8: {"access_token":{"scopes":["docs"]},"check":{"object":"document:{id}","relation":"view"}}
  from the service's default: access_token.scopes
no   scope "docs"  [service_rule.default.access_token.scopes[0]]: authz: INSUFFICIENT_SCOPE
-    check document:{id}#view  [rule.check]: the call was refused before this was decided
`},
		"a denial that hides existence": {request("Hide", "service:s", `{"id":"1"}`), authztest.NewEngine(), `docs.v1.Docs/Hide as service:s: DENIED RELATION_DENIED
  because authz: RELATION_DENIED: the policy denies it
  the caller gets NOT_FOUND, without a reason
rule at docs.proto:11: {"access_token":{"scopes":["docs"]},"check":{"object":"document:{id}","relation":"view"},"on_deny":"ON_DENY_NOT_FOUND"}
  from the service's default: access_token.scopes
yes  scope "docs"  [service_rule.default.access_token.scopes[0]]
no   check document:{id}#view  [rule.check]
  asked document:1#view@service:s: denied
    document:1#view@service:s denied
`},
		"too old": {old, tuples(t), "no   authenticated in the last 1m0s  [rule.access_token.max_age]: authz: STEP_UP_REQUIRED\n"},
		"a condition, and what wasn't needed": {young, tuples(t), `yes  any_of  [rule.any_of]
  no   all_of  [rule.any_of.conditions[0].all_of]
    no   has_role admin  [rule.any_of.conditions[0].all_of.conditions[0].has_role]: has_role admin: the token lacks it
    no   expression "request.note != ''"  [rule.any_of.conditions[0].all_of.conditions[1].expression]`},
		"a faulty rule":          {request("Broken", "user:alice", `{}`), tuples(t), "  fault: authz: docs.proto:24: docs.v1.Docs/Broken: rule.check.object: column 10: there is no field \"nope\""},
		"a handler":              {request("Handled", "user:alice", `{}`), tuples(t), "note: the handler decides the rest"},
		"no token":               {request("Get", "none", `{"id":"1"}`), tuples(t), "the caller gets UNAUTHENTICATED TOKEN_MISSING"},
		"no object":              {request("Get", "user:alice", ``), tuples(t), "the caller gets INVALID_ARGUMENT OBJECT_MISSING"},
		"a stream":               {young, tuples(t), "note: this is the decision about one message of a stream"},
		"a rate limit":           {young, tuples(t), "note: the rate limit isn't judged"},
		"properties":             {tier, tuples(t), `asked action edit on document:1 for user:alice subject {"tier":"gold"}: denied`},
		"an engine of relations": {tier, authz.EngineFunc(tuples(t).Check), "doesn't answer queries of this kind"},
		"an engine that is down": {request("Get", "user:alice", `{"id":"1"}`), down{}, "asked document:1#view@user:alice: no answer: authz: engine unavailable: down"},
		"an engine that panics":  {request("Get", "user:alice", `{"id":"1"}`), panics{}, "the caller gets INTERNAL MISCONFIGURED"},
		"without an engine": {request("Get", "user:alice", `{"id":"1"}`), nil, `docs.v1.Docs/Get as user:alice: DEPENDS ON THE ENGINE
  if the engine grants each query: ALLOWED
  if the engine denies each query: DENIED RELATION_DENIED
rule at docs.proto:8: {"access_token":{"scopes":["docs"]},"check":{"object":"document:{id}","relation":"view"}}
  from the service's default: access_token.scopes
yes  scope "docs"  [service_rule.default.access_token.scopes[0]]
-    check document:{id}#view  [rule.check]: no engine was named to ask
  asked document:1#view@user:alice: no answer: no engine was named to ask
`},
		"an expression is as it was written": {
			request("Cheap", "user:alice", `{"id":"<&>"}`), tuples(t),
			`rule at docs.proto:33: {"access_token":{"scopes":["docs"]},"expression":{"cel":"size(request.id) > 0 && size(request.id) < 5"}}`,
		},
		"values are as they were given":     {html, tuples(t), `subject {"tier":"<&>\u2028\u202e"}: denied`},
		"a handler decides":                 {request("Handled", "user:alice", `{}`), tuples(t), "docs.v1.Docs/Handled as user:alice: ALLOWED; the handler decides the rest\n"},
		"a handler doesn't decide a denial": {unhandled, tuples(t), "docs.v1.Docs/Handled as user:alice: DENIED INSUFFICIENT_SCOPE\n"},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := explain.Call(t.Context(), explain.Config{Source: source(t, docs), Engine: c.engine, EngineName: "x"}, c.request)
			if err != nil {
				t.Fatal(err)
			}
			if got := text(t, result); !strings.Contains(got, c.want) || strings.Count(c.want, "\n") > 5 && got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			if out, err := json.Marshal(result); err != nil || !strings.Contains(string(out), `"version":1`) {
				t.Errorf("JSON %s, %v", out, err)
			}
		})
	}
}

// down is an engine that has no answer, and panics is one that can't even explain.
type down struct{}

func (down) Check(context.Context, authz.Batch) (authz.Result, error) {
	return authz.Result{}, &authz.EngineError{Kind: authz.EngineUnavailable, Err: errors.New("down")}
}

type panics struct{}

func (panics) Check(context.Context, authz.Batch) (authz.Result, error) { panic("fake-secret") }

func (panics) Explain(context.Context, authz.Query, authz.Consistency) (authz.Explanation, error) {
	panic("fake-secret")
}

func TestRequestsAtFault(t *testing.T) {
	good := func(edit func(*explain.Request)) explain.Request {
		r := request("Get", "user:alice", `{"id":"1"}`)
		edit(&r)

		return r
	}
	many := make([]string, 300)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	deep := strings.Repeat(`{"within":`, 500) + "{}" + strings.Repeat("}", 500)
	for name, c := range map[string]struct {
		request explain.Request
		want    string
	}{
		"no such method":        {good(func(r *explain.Request) { r.Method = "docs.v1.Docs/Gte" }), "did you mean one of docs.v1.Docs/Admin, docs.v1.Docs/Broken"},
		"no such service":       {good(func(r *explain.Request) { r.Method = "x" }), `there is no method "x": name it as pkg.Service/Method`},
		"an unknown field":      {good(func(r *explain.Request) { r.Message = []byte(`{"ids":1}`) }), `unknown field "ids"; its fields are id, note, flag, any, within`},
		"not JSON":              {good(func(r *explain.Request) { r.Message = []byte(`{`) }), "the request isn't a docs.v1.GetRequest"},
		"two values":            {good(func(r *explain.Request) { r.Message = []byte(`{} {}`) }), "the request isn't a docs.v1.GetRequest"},
		"another type":          {good(func(r *explain.Request) { r.Message = []byte(`{"id":[1]}`) }), "the request isn't a docs.v1.GetRequest"},
		"an unknown Any":        {good(func(r *explain.Request) { r.Message = []byte(`{"any":{"@type":"x.y/Z"}}`) }), "the request isn't"},
		"nested deep":           {good(func(r *explain.Request) { r.Message = []byte(deep) }), "deeper"},
		"too large":             {good(func(r *explain.Request) { r.Message = make([]byte, 2<<20) }), "larger than"},
		"no caller":             {good(func(r *explain.Request) { r.Caller.As = "" }), "neither service:ID"},
		"another kind":          {good(func(r *explain.Request) { r.Caller.As = "robot:x" }), "neither service:ID"},
		"no id":                 {good(func(r *explain.Request) { r.Caller.As = "user:" }), "neither service:ID"},
		"not UTF-8":             {good(func(r *explain.Request) { r.Caller.As = "user:\xff" }), "isn't valid UTF-8"},
		"a service's client":    {good(func(r *explain.Request) { r.Caller.As, r.Caller.Client = "service:a", "b" }), "its own client"},
		"an age that is none":   {good(func(r *explain.Request) { r.Caller.Age = "-1s" }), "isn't a duration"},
		"a claim of its own":    {good(func(r *explain.Request) { r.Caller.Claims = map[string]any{"sub": "eve"} }), "has a setting of its own"},
		"a scope with a space":  {good(func(r *explain.Request) { r.Caller.Scopes = []string{"a b"} }), "not one word"},
		"too many roles":        {good(func(r *explain.Request) { r.Caller.Roles = many }), "more than 200"},
		"a claim without JSON":  {good(func(r *explain.Request) { r.Caller.Claims = map[string]any{"x": make(chan int)} }), "not JSON"},
		"an address that isn't": {good(func(r *explain.Request) { r.PeerIP = "here" }), "isn't an IP address"},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := explain.Call(t.Context(), explain.Config{Source: source(t, docs)}, c.request)
			if err == nil || !strings.Contains(err.Error(), c.want) || result != nil || len(err.Error()) > 1500 {
				t.Errorf("%+v, %v", result, err)
			}
		})
	}
}

func TestSeveralIssuersNeedAName(t *testing.T) {
	from := source(t, docs)
	from.Subjects, from.Issuers = authz.Subjects{}, []string{"main", "partner"}
	r := request("Get", "user:alice", `{"id":"1"}`)
	if _, err := explain.Call(t.Context(), explain.Config{Source: from}, r); err == nil || !strings.Contains(err.Error(), "one of main, partner") {
		t.Errorf("error %v", err)
	}
	r.Caller.Issuer = "partner"
	result, err := explain.Call(t.Context(), explain.Config{Source: from}, r)
	if err != nil || !strings.Contains(text(t, result), "document:1#view@user:partner/alice") {
		t.Errorf("%+v, %v", result, err)
	}
	r.Caller.Issuer = "stranger"
	if result, err = explain.Call(t.Context(), explain.Config{Source: from}, r); err != nil || result.Outcome.Reason != "SUBJECT_UNMAPPED" {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestRulelessMethodsAreDenied(t *testing.T) {
	result, err := explain.Call(t.Context(), explain.Config{Source: source(t, docs)}, explain.Request{Method: "/docs.v1.Ruleless/Get", Caller: explain.Caller{As: "user:a"}})
	if err != nil || result.Outcome.Reason != "RULE_MISSING" || !strings.Contains(text(t, result), "no rule, so the method is denied") {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestTextsAreEscaped(t *testing.T) {
	r := request("Get", "user:alice", `{"id":"1"}`)
	r.Caller.As = "user:\x1b[2J\u202e"
	result, err := explain.Call(t.Context(), explain.Config{Source: source(t, docs), Engine: tuples(t)}, r)
	if err != nil {
		t.Fatal(err)
	}
	if got := text(t, result); strings.ContainsAny(got, "\x1b\u202e") {
		t.Errorf("%q", got)
	}
}

func TestATimeoutOrAnEndIsNoDecision(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	hang := authz.EngineFunc(func(ctx context.Context, _ authz.Batch) (authz.Result, error) {
		<-ctx.Done()

		return authz.Result{}, ctx.Err()
	})
	if result, err := explain.Call(ctx, explain.Config{Source: source(t, docs), Engine: hang, Timeout: 100 * time.Millisecond}, request("Get", "user:alice", `{"id":"1"}`)); !errors.Is(err, context.DeadlineExceeded) || result != nil {
		t.Errorf("%+v, %v", result, err)
	}
}

// TestEachReasonHasTheCodeOfItsDocumentation holds the table of codes to what package
// authz says that the interceptor gives.
func TestEachReasonHasTheCodeOfItsDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../../reason.go")
	if err != nil {
		t.Fatal(err)
	}
	_, own, _ := strings.Cut(string(text), "// ReasonTokenMissing is")
	comment := regexp.MustCompile(`(?s)//[^=]*?\b([A-Z][A-Z_]{4,})[.,\s/]+(?:NOT_FOUND[^\n]*\n)?[^=]*?Reason\w+ Reason = "(\w+)"`)
	found := 0
	for _, match := range comment.FindAllStringSubmatch("// ReasonTokenMissing is"+own, -1) {
		found++
		if code, told := explain.StatusOf(authz.Reason(match[2]), false); code != match[1] || told != match[2] {
			t.Errorf("%s is %s %s, and documented as %s", match[2], code, told, match[1])
		}
	}
	if found != 16 {
		t.Errorf("%d reasons", found)
	}
	if code, told := explain.StatusOf(authz.ReasonRelationDenied, true); code != "NOT_FOUND" || told != "" {
		t.Errorf("hidden: %s %s", code, told)
	}
}

func TestABrokenDescriptorIsDenied(t *testing.T) {
	var whole *descriptorpb.FileDescriptorProto
	source(t, docs).Files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		whole = protodesc.ToFileDescriptorProto(file)

		return true
	})
	whole.Service[0].Method[0].InputType = new(".docs.v1.Nope")
	file, err := protodesc.FileOptions{AllowUnresolvable: true}.New(whole, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	files := &protoregistry.Files{}
	if err := files.RegisterFile(file); err != nil {
		t.Fatal(err)
	}
	result, err := explain.Call(t.Context(), explain.Config{Source: lint.Source{Files: files}}, request("Get", "user:a", ""))
	if err != nil || result.Outcome.Decision != explain.Denied || result.Outcome.Reason != "MISCONFIGURED" {
		t.Errorf("%+v, %v", result, err)
	}
}
