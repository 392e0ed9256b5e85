package authz

import (
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// MethodRule is a rule in code, for a service whose .proto you can't edit. A rule
// in code for a method that has one in its .proto is an error.
type MethodRule struct {
	// Selector is one method, "pkg.Service/Method", or all methods of a service,
	// "pkg.Service/*". An exact selector takes precedence over a service's. A
	// selector that matches no linked method is an error. Required.
	Selector string
	// Rule is the rule, as the .proto would have it. Required.
	Rule *authzv1.Rule

	// alternatives are further selectors of a preset, of which one must match.
	alternatives []string
	// methods are a preset's rules for some methods of its service; Rule is for the
	// others.
	methods map[string]*authzv1.Rule
}

// Health returns the rule for grpc.health.v1.Health. Check and Watch are public,
// since probes of a server's health have no credential. The other methods are
// denied: List names every service of the server. A rule of your own for
// "grpc.health.v1.Health/List" takes precedence.
func Health() MethodRule {
	public := &authzv1.Rule{Policy: &authzv1.Rule_Public{Public: &authzv1.Public{Reason: "probes have no credential"}}}

	return MethodRule{
		Selector: "grpc.health.v1.Health/*",
		Rule:     &authzv1.Rule{Policy: &authzv1.Rule_Deny{Deny: &authzv1.Deny{Reason: "probes don't need it"}}},
		methods:  map[string]*authzv1.Rule{"Check": public, "Watch": public},
	}
}

// Reflection returns the rule for grpc.reflection.v1 and v1alpha. It admits any
// caller with a valid access token, and no others, since the schema of a service
// tells an attacker where to look.
func Reflection() MethodRule {
	return MethodRule{
		Selector:     "grpc.reflection.v1.ServerReflection/*",
		Rule:         &authzv1.Rule{Policy: &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}}},
		alternatives: []string{"grpc.reflection.v1alpha.ServerReflection/*"},
	}
}

// Channelz returns the rule for grpc.channelz.v1.Channelz. It admits any service
// with a valid access token, since Channelz shows addresses of peers; users are
// refused.
func Channelz() MethodRule {
	return MethodRule{
		Selector: "grpc.channelz.v1.Channelz/*",
		Rule: &authzv1.Rule{
			Policy:      &authzv1.Rule_Authenticated{Authenticated: &authzv1.Authenticated{}},
			AccessToken: &authzv1.AccessToken{Kinds: []authzv1.Kind{authzv1.Kind_KIND_SERVICE}},
		},
	}
}
