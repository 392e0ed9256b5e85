package authz_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/authz"
)

const service = "/usher.test.docs.v1.DocumentService/"

// caller is a principal of a test.
type caller struct {
	issuer                     string
	subject                    string
	client                     string
	scopes                     []string
	roles, groups, permissions []string
	acr                        string
	authTime                   time.Time
	service                    bool
	unclear                    bool
	claims                     map[string]any
}

func (c *caller) Issuer() string                 { return "https://" + c.issuer }
func (c *caller) IssuerName() string             { return c.issuer }
func (c *caller) Subject() string                { return c.subject }
func (c *caller) ClientID() string               { return c.client }
func (c *caller) HasScope(scope string) bool     { return slices.Contains(c.scopes, scope) }
func (c *caller) HasRole(role string) bool       { return slices.Contains(c.roles, role) }
func (c *caller) InGroup(group string) bool      { return slices.Contains(c.groups, group) }
func (c *caller) HasPermission(name string) bool { return slices.Contains(c.permissions, name) }
func (c *caller) ACR() string                    { return c.acr }
func (c *caller) AuthTime() time.Time            { return c.authTime }
func (c *caller) IsService() bool                { return c.service && !c.unclear }
func (c *caller) IsUser() bool                   { return !c.service && !c.unclear }

func (c *caller) Claim(path ...string) (any, bool) {
	var at any = c.claims
	for _, name := range path {
		members, ok := at.(map[string]any)
		if !ok {
			return nil, false
		}
		if at, ok = members[name]; !ok {
			return nil, false
		}
	}

	return at, true
}

func user(subject string) *caller {
	return &caller{issuer: "main", subject: subject, client: "app", scopes: []string{"documents"}}
}

func backend(client string) *caller {
	return &caller{issuer: "main", subject: client, client: client, scopes: []string{"documents"}, service: true}
}

// tuples is an engine that allows exactly the queries it holds, and records what
// it was asked.
type tuples struct {
	mu      sync.Mutex
	allowed map[string]bool
	batches []authz.Batch
	modes   []authz.Mode
}

func newTuples(allowed ...string) *tuples {
	engine := &tuples{allowed: map[string]bool{}}
	for _, tuple := range allowed {
		engine.allowed[tuple] = true
	}

	return engine
}

func (e *tuples) Check(_ context.Context, batch authz.Batch) (authz.Result, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.batches = append(e.batches, batch)
	result := authz.Result{Answers: make([]authz.Answer, len(batch.Queries))}
	for i, query := range batch.Queries {
		result.Answers[i].Effect = authz.EffectDenied
		if e.allowed[query.String()] {
			result.Answers[i].Effect = authz.EffectAllowed
		}
	}

	return result, nil
}

func (e *tuples) SupportsConsistency(mode authz.Mode) bool {
	return e.modes == nil || slices.Contains(e.modes, mode)
}

// requests is how many batches the engine was asked.
func (e *tuples) requests() int {
	e.mu.Lock()
	defer e.mu.Unlock()

	return len(e.batches)
}

var subjects = authz.Subjects{Service: "service:{$client_id}", User: "user:{$sub}"}

func newAuthorizer(tb testing.TB, config authz.Config) *authz.Authorizer {
	tb.Helper()
	if config.Subjects == (authz.Subjects{}) && config.IssuerSubjects == nil {
		config.Subjects = subjects
	}
	if config.Issuers == nil && config.IssuerSubjects == nil {
		config.Issuers = authz.Issuers{"main"}
	}
	authorizer, err := authz.New(config)
	if err != nil {
		tb.Fatal(err)
	}

	return authorizer
}

// reasonOf is the reason of a refusal, empty for nil, the error's text otherwise.
func reasonOf(err error) authz.Reason {
	var refused *authz.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refused):
		return refused.Reason
	default:
		return authz.Reason(err.Error())
	}
}

// newTuplesUnrecorded is an engine for benchmarks: it keeps no record.
func newTuplesUnrecorded(allowed ...string) authz.Engine {
	engine := newTuples(allowed...)

	return authz.EngineFunc(func(_ context.Context, batch authz.Batch) (authz.Result, error) {
		result := authz.Result{Answers: make([]authz.Answer, len(batch.Queries))}
		for i, query := range batch.Queries {
			result.Answers[i].Effect = authz.EffectDenied
			if engine.allowed[query.String()] {
				result.Answers[i].Effect = authz.EffectAllowed
			}
		}

		return result, nil
	})
}

// conditionalEngine can't decide without the value "region".
type conditionalEngine struct{}

func (conditionalEngine) Check(_ context.Context, batch authz.Batch) (authz.Result, error) {
	answers := make([]authz.Answer, len(batch.Queries))
	for i := range answers {
		answers[i] = authz.Answer{Effect: authz.EffectConditional, Missing: []string{"region"}}
	}

	return authz.Result{Answers: answers}, nil
}
