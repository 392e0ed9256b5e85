package authz_test

import (
	"strings"
	"testing"
	"time"

	_ "google.golang.org/grpc/channelz/grpc_channelz_v1"
	_ "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

func authenticated() *authzv1.Rule {
	return &authzv1.Rule{Policy: &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}}}
}

func denied() *authzv1.Rule {
	return &authzv1.Rule{Policy: &authzv1.Rule_Deny{Deny: &authzv1.Deny{}}}
}

func TestRulesInCodeThatCantBe(t *testing.T) {
	for name, tc := range map[string]struct {
		rules []authz.MethodRule
		want  string
	}{
		"matches nothing":            {[]authz.MethodRule{{Selector: "no.such.Service/*", Rule: authenticated()}}, `selector "no.such.Service/*" matches no linked method`},
		"matches no method":          {[]authz.MethodRule{{Selector: "grpc.health.v1.Health/Chekc", Rule: authenticated()}}, "matches no linked method"},
		"no rule":                    {[]authz.MethodRule{{Selector: "grpc.health.v1.Health/*"}}, "has no rule"},
		"no policy":                  {[]authz.MethodRule{{Selector: "grpc.health.v1.Health/Check", Rule: &authzv1.Rule{}}}, "the rule has no policy"},
		"not a selector":             {[]authz.MethodRule{{Selector: "grpc.health.v1.*", Rule: authenticated()}}, "isn't one"},
		"everything":                 {[]authz.MethodRule{{Selector: "*/*", Rule: authenticated()}}, "isn't one"},
		"twice":                      {[]authz.MethodRule{authz.Health(), authz.Health()}, "is given twice"},
		"rule in the .proto too":     {[]authz.MethodRule{{Selector: "usher.test.docs.v1.DocumentService/Ping", Rule: denied()}}, "one in code"},
		"rules in the .proto too":    {[]authz.MethodRule{{Selector: "usher.test.docs.v1.DocumentService/*", Rule: denied()}}, "one in code"},
		"template without the field": {[]authz.MethodRule{{Selector: "grpc.health.v1.Health/Check", Rule: check("service:{name}", "viewer")}}, `there is no field "name" in grpc.health.v1.HealthCheckRequest`},
		"unknown enum number":        {[]authz.MethodRule{{Selector: "grpc.health.v1.Health/Check", Rule: &authzv1.Rule{Policy: authenticated().GetPolicy(), OnDeny: 9}}}, "on_deny has the value 9"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := authz.New(authz.Config{Engine: newTuples(), Subjects: subjects, Issuers: authz.Issuers{"main"}, Rules: tc.rules})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestRulesInCode(t *testing.T) {
	_ = grpc_reflection_v1.File_grpc_reflection_v1_reflection_proto
	authorizer := newAuthorizer(t, authz.Config{Engine: newTuples("service:docs#prober@user:alice"), Rules: []authz.MethodRule{
		authz.Health(), authz.Reflection(), authz.Channelz(),
		{Selector: "grpc.health.v1.Health/List", Rule: denied()},
	}})
	for name, tc := range map[string]struct {
		method string
		caller authz.Principal
		want   authz.Reason
	}{
		"health is public":             {"/grpc.health.v1.Health/Check", nil, ""},
		"health may be watched":        {"/grpc.health.v1.Health/Watch", nil, ""},
		"an exact selector goes first": {"/grpc.health.v1.Health/List", user("alice"), authz.ReasonMethodDenied},
		"reflection wants a token":     {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", nil, authz.ReasonTokenMissing},
		"reflection takes a token":     {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", user("alice"), ""},
		"channelz refuses users":       {"/grpc.channelz.v1.Channelz/GetServers", user("alice"), authz.ReasonKindDenied},
		"channelz takes services":      {"/grpc.channelz.v1.Channelz/GetServers", backend("monitor"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := authorizer.Authorize(t.Context(), tc.method, tc.caller, nil); reasonOf(err) != tc.want {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// Health opens what probes need. List names every service of the server.
func TestHealthOpensCheckAndWatchAlone(t *testing.T) {
	authorizer := newAuthorizer(t, authz.Config{Engine: newTuples(), Rules: []authz.MethodRule{authz.Health()}})
	health := "/grpc.health.v1.Health/"
	if err := authorizer.ValidateMethods(health+"Check", health+"Watch", health+"List"); err != nil {
		t.Errorf("a server with the health service doesn't start: %v", err)
	}
	for method, public := range map[string]bool{"Check": true, "Watch": true, "List": false} {
		if m := authorizer.Method(health + method); m.Public() != public {
			t.Errorf("%s: public is %v", method, m.Public())
		}
		for caller, principal := range map[string]authz.Principal{"nobody": nil, "a user": user("alice"), "a service": backend("b")} {
			if _, err := authorizer.Authorize(t.Context(), health+method, principal, nil); (err == nil) != public {
				t.Errorf("%s by %s: %v", method, caller, err)
			}
		}
	}
	listed := authz.MethodRule{Selector: "grpc.health.v1.Health/List", Rule: authenticated()}
	authorizer = newAuthorizer(t, authz.Config{Engine: newTuples(), Rules: []authz.MethodRule{listed, authz.Health()}})
	if _, err := authorizer.Authorize(t.Context(), health+"List", user("alice"), nil); err != nil {
		t.Errorf("a rule of one's own doesn't open List: %v", err)
	}
}

func TestConfigurationsThatCantBe(t *testing.T) {
	for name, tc := range map[string]struct {
		config authz.Config
		want   string
	}{
		"negative timeout":         {authz.Config{Timeout: -1}, "Timeout is negative"},
		"negative objects":         {authz.Config{MaxObjects: -1}, "MaxObjects is negative"},
		"negative cache":           {authz.Config{Cache: authz.CacheConfig{Size: -1}}, "Size is negative"},
		"cache without a lifetime": {authz.Config{Cache: authz.CacheConfig{Size: 1}}, "TTL must be positive"},
		"lifetime without a cache": {authz.Config{Cache: authz.CacheConfig{TTL: time.Second}}, "no Size"},
		"denials kept longer":      {authz.Config{Cache: authz.CacheConfig{Size: 1, TTL: 1, DeniedTTL: 2}}, "DeniedTTL must be"},
		"a service twice":          {authz.Config{Resolver: twice{}}, "stands in"},
		"negative breaker":         {authz.Config{Breaker: authz.BreakerConfig{OpenFor: -1}}, "OpenFor is negative"},
		"negative window":          {authz.Config{Breaker: authz.BreakerConfig{Window: -1}}, "Window is negative"},
		"breaker that never opens": {authz.Config{Breaker: authz.BreakerConfig{Failures: 17}}, "Failures is more than 16"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := authz.New(tc.config); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	t.Run("all at once", func(t *testing.T) {
		_, err := authz.New(authz.Config{Timeout: -1, MaxObjects: -1, Subjects: authz.Subjects{User: "x"}})
		for _, want := range []string{"Timeout", "MaxObjects", "Subjects.User"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q isn't in %v", want, err)
			}
		}
	})
}

func TestRulesThatNeedAnEngine(t *testing.T) {
	for name, tc := range map[string]struct {
		config authz.Config
		want   string
	}{
		"no engine":   {authz.Config{Subjects: subjects, Issuers: authz.Issuers{"main"}}, "asks an engine and none is configured"},
		"no subjects": {authz.Config{Engine: newTuples(), Issuers: authz.Issuers{"main"}}, "no subjects are configured"},
	} {
		t.Run(name, func(t *testing.T) {
			authorizer, err := authz.New(tc.config)
			if err != nil {
				t.Fatal(err)
			}
			if err := authorizer.ValidateMethods(service + "GetDocument"); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if err := authorizer.ValidateMethods(service + "Ping"); err != nil {
				t.Errorf("a rule that needs neither: %v", err)
			}
			if _, err := authorizer.Authorize(t.Context(), service+"GetDocument", user("alice"), get("1")); reasonOf(err) != authz.ReasonMisconfigured {
				t.Error(err)
			}
		})
	}
}

// twice gives every service twice.
type twice struct{}

func (twice) RangeFiles(visit func(protoreflect.FileDescriptor) bool) {
	for range 2 {
		visit(docsv1.File_usher_test_docs_v1_docs_proto)
	}
}
