package authz_test

import (
	"slices"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
	docsv1 "github.com/usher-auth/usher/authz/internal/testproto/usher/test/docs/v1"
	authzv1 "github.com/usher-auth/usher/proto/usher/authz/v1"
)

// BenchmarkWays is each way to decide when nothing has to be asked (goal 18), beside
// the decision that a valid token is enough.
func BenchmarkWays(b *testing.B) {
	words := expressions{"true": {evaluate: func(in *authz.ExpressionInput) (bool, error) { return in.Principal != nil, nil }}}
	engine := ways{says(authz.EffectAllowed), says(authz.EffectAllowed), says(authz.EffectAllowed)}
	caller := user("alice")
	caller.permissions, caller.roles = []string{"documents:read", "documents:edit"}, []string{"editor"}
	for name, text := range map[string]string{
		"authenticated":          `authenticated: {}`,
		"permission of token":    `permission: {name: "documents:edit"}`,
		"role":                   `all_of: {conditions: {has_role: {role: "editor"}}}`,
		"expression":             `expression: {cel: "true"}`,
		"permission of server":   `permission: {name: "documents:edit" on: "organization:{text}"}`,
		"attributes":             `attributes: {action: "edit" resource: "document:{text}"}`,
		"attributes with values": `attributes: {action: "edit" resource: "document:{text}" resource_properties: {name: "n" value: "{small}"}}`,
	} {
		b.Run(name, func(b *testing.B) {
			config := authz.Config{
				Engine: engine, Expressions: words, Cache: authz.CacheConfig{Size: 100, TTL: time.Hour},
				Resolver: ruled(b, nil, map[string]*authzv1.Rule{"M": written(b, text)}),
			}
			if name == "permission of token" {
				config.Permissions = authz.ClaimPermissions{}
			}
			authorizer := newAuthorizer(b, config)
			call := &authz.Call{Principal: caller, Message: &docsv1.Kinds{Text: "1", Small: 7}}
			if _, err := authorizer.Method("/t.S/M").Authorize(b.Context(), call); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := authorizer.Method("/t.S/M").Authorize(b.Context(), call); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOver is what a permission of the token, and a limit that this process
// counts, cost over a call for which a valid token is enough (goal 18). Both are
// measured in turns, so that the machine is as busy with one as with the other.
func BenchmarkOver(b *testing.B) {
	caller := user("alice")
	caller.permissions = []string{"documents:read", "documents:edit"}
	for name, text := range map[string]string{
		"permission": `permission: {name: "documents:edit"}`,
		"limit":      `authenticated: {} rate_limit: {requests: 1000000 per: {nanos: 1000000} key: KEY_SUBJECT}`,
	} {
		b.Run(name, func(b *testing.B) {
			authorizer := newAuthorizer(b, authz.Config{
				Permissions: authz.ClaimPermissions{},
				Resolver:    ruled(b, nil, map[string]*authzv1.Rule{"M": written(b, text), "Plain": written(b, `authenticated: {}`)}),
			})
			with, plain := authorizer.Method("/t.S/M"), authorizer.Method("/t.S/Plain")
			call := &authz.Call{Principal: caller}
			decide := func(m *authz.Method) time.Duration {
				const calls = 200
				began := time.Now()
				for range calls {
					if _, err := m.Authorize(b.Context(), call); err != nil {
						b.Fatal(err)
					}
				}

				return time.Since(began) / calls
			}
			_, _ = decide(with), decide(plain)
			var over []float64
			b.ReportAllocs()
			for b.Loop() {
				over = append(over, float64(decide(with)-decide(plain)))
			}
			slices.Sort(over)
			b.ReportMetric(over[len(over)/2], "over-ns")
		})
	}
}
