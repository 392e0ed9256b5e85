package authzen

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/singleflight"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/adapter"
	"github.com/usher-auth/usher/authz/internal/httpapi"
)

// Engine is an [authz.Engine], [authz.PermissionEngine] and [authz.AttributeEngine] on
// an AuthZEN server. It is safe for concurrent use.
type Engine struct {
	config   Config
	base     string
	http     *httpapi.Client
	found    atomic.Pointer[endpoints] // nil until discovered
	inflight singleflight.Group
}

var (
	_ authz.Engine           = (*Engine)(nil)
	_ authz.PermissionEngine = (*Engine)(nil)
	_ authz.AttributeEngine  = (*Engine)(nil)
	_ authz.QueryValidator   = (*Engine)(nil)
)

// New returns an engine, or an error that joins all faults of the configuration. It
// does no I/O.
func New(config Config) (*Engine, error) {
	base, urls, fault := config.check()
	client, err := httpapi.New(httpapi.Config{
		Name: "authzen", HTTPClient: config.HTTPClient, TokenSource: config.TokenSource,
		APIKey: config.APIKey, APIKeyHeader: config.APIKeyHeader, Header: config.Header,
		Timeout: config.Timeout, Parallel: config.Parallelism,
	})
	if err := errors.Join(fault, err); err != nil {
		return nil, err
	}
	e := &Engine{config: config, base: base, http: client}
	if !config.Discover {
		e.found.Store(&urls)
	}

	return e, nil
}

// Close closes idle connections, unless HTTPClient was set. Later checks open new
// connections.
func (e *Engine) Close() error {
	e.http.Close()

	return nil
}

// Ready does the discovery that [Config.Discover] asks for; without Discover, it
// does nothing. Calling it is optional.
func (e *Engine) Ready(ctx context.Context) error {
	_, err := e.endpoints(ctx)

	return err
}

// Check asks the server the batch's queries, which must be about relations. The
// answers have the queries' order and length. A query that is refused before it is sent
// (see [Engine.ValidateQuery]), or whose request failed while others were answered, has
// its own Err. Check returns an error only if no query of the batch was answered.
func (e *Engine) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	return e.ask(ctx, batch, authz.QueryRelation)
}

// CheckPermissions is [Engine.Check] for permissions: the action is the permission's
// name, and the resource is the object that it is needed on, or
// [Config.PermissionResource].
func (e *Engine) CheckPermissions(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	return e.ask(ctx, batch, authz.QueryPermission)
}

// EvaluateAttributes is [Engine.Check] for actions, with the properties of the rule and
// of [Config.Properties].
func (e *Engine) EvaluateAttributes(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	return e.ask(ctx, batch, authz.QueryAttributes)
}

// ask asks the queries of one kind. Queries of other kinds are refused.
func (e *Engine) ask(ctx context.Context, batch authz.Batch, kind authz.QueryKind) (authz.Result, error) {
	if len(batch.Queries) == 0 {
		return authz.Result{}, nil
	}
	if batch.Consistency.Mode != authz.ModeMinimizeLatency {
		return authz.Result{}, &authz.EngineError{Kind: authz.EngineMisconfigured, Err: errors.New("authzen: AuthZEN has no consistency to ask for")}
	}
	urls, err := e.endpoints(ctx)
	if err != nil {
		return authz.Result{}, err
	}

	answers := make([]authz.Answer, len(batch.Queries))
	size, ask := e.config.BatchSize, e.evaluateMany
	if urls.evaluations == "" || len(answers) == 1 {
		size, ask = 1, e.evaluateOne
	}
	requests := e.requests(batch.Queries, answers, kind, size)
	asked := make([]authz.Answer, len(requests))
	err = adapter.Chunks(ctx, asked, 1, e.http.Parallel(), func(ctx context.Context, lo, _ int) error {
		return ask(ctx, *urls, requests[lo])
	})
	for i, r := range requests {
		if asked[i].Err == nil {
			continue
		}
		for _, answer := range r.answers {
			*answer = authz.Answer{Err: asked[i].Err}
		}
	}

	return authz.Result{Answers: answers}, err
}

// evaluateOne sends a single evaluation (AuthZEN §6).
func (e *Engine) evaluateOne(ctx context.Context, urls endpoints, r *request) error {
	object, err := e.http.Post(ctx, urls.evaluation, r.queries[0].Subject, r.items[0])
	if err != nil {
		return err
	}
	if err := e.http.Fault(object); err != nil {
		return err
	}
	answer, err := e.decision(object, r.queries[0])
	if err != nil {
		return err
	}
	*r.answers[0] = answer

	return nil
}

// evaluateMany sends evaluations (AuthZEN §7). If any part of the response doesn't fit
// its question, the whole response is refused.
func (e *Engine) evaluateMany(ctx context.Context, urls endpoints, r *request) error {
	object, err := e.http.Post(ctx, urls.evaluations, r.queries[0].Subject,
		evaluations{Evaluations: r.items, Options: options{Semantic: "execute_all"}})
	if err != nil {
		return err
	}
	if err := e.http.Fault(object); err != nil {
		return err
	}
	items, ok := object["evaluations"].([]any)
	if !ok {
		return e.http.Unusable(errors.New("no list of evaluations"))
	}
	if len(items) != len(r.items) {
		return e.http.Unusable(fmt.Errorf("%d evaluations to %d questions", len(items), len(r.items)))
	}
	read := make([]authz.Answer, len(items))
	for i, item := range items {
		object, ok := item.(map[string]any)
		if !ok {
			return e.http.Unusable(errors.New("an evaluation that is no object"))
		}
		if read[i], err = e.decision(object, r.queries[i]); err != nil {
			return err
		}
	}
	for i, answer := range read {
		*r.answers[i] = answer
	}

	return nil
}

// decision reads one answer. It returns an error for an answer that breaks the
// protocol or is about something else than was asked, which AuthZEN doesn't provide
// for but some servers send. An error that the server put into the answer or its
// context is the answer's own Err.
func (e *Engine) decision(object map[string]any, q authz.Query) (authz.Answer, error) {
	q = e.onResource(q)
	decision, ok := object["decision"].(bool)
	if !ok {
		return authz.Answer{}, e.http.Unusable(errors.New("no decision"))
	}
	if !names(object, "subject", "type", q.Subject.Type) || !names(object, "subject", "id", q.Subject.ID) ||
		!names(object, "resource", "type", q.Object.Type) || !names(object, "resource", "id", q.Object.ID) ||
		!names(object, "action", "name", q.Relation) {
		return authz.Answer{}, e.http.Unusable(errors.New("it is about another question"))
	}
	if err := e.http.Fault(object); err != nil {
		return authz.Answer{Err: err}, nil //nolint:nilerr // the fault is the answer's own
	}
	context, present := object["context"].(map[string]any)
	if !present && object["context"] != nil {
		return authz.Answer{}, e.http.Unusable(errors.New("a context that is no object"))
	}
	fault, failed := context["error"]
	switch {
	case failed && decision:
		return authz.Answer{}, e.http.Unusable(errors.New("a grant with an error"))
	case failed:
		return authz.Answer{Err: e.itemError(fault)}, nil
	case decision:
		return authz.Answer{Effect: authz.EffectAllowed, Context: adapter.AnswerContext(context)}, nil
	default:
		return authz.Answer{Effect: authz.EffectDenied, Context: adapter.AnswerContext(context)}, nil
	}
}

// names reports whether an answer names the entity as the question did, or not at
// all.
func names(object map[string]any, entity, member, want string) bool {
	said, present := object[entity]
	if !present {
		return true
	}
	members, _ := said.(map[string]any)

	return members[member] == want
}

// itemError keeps the status of an evaluation's error, if it has one, and never its
// message.
func (e *Engine) itemError(fault any) error {
	code := 0
	if object, ok := fault.(map[string]any); ok {
		code = httpapi.StatusOf(object["status"])
	}
	if code == 0 {
		return e.http.Unusable(errors.New("an evaluation that failed"))
	}

	return &authz.EngineError{Kind: httpapi.KindOf(code), Err: &httpapi.StatusError{Engine: "authzen: evaluation", Status: code}}
}

// endpoints returns the URLs, after discovery if they must be discovered.
func (e *Engine) endpoints(ctx context.Context) (*endpoints, error) {
	if urls := e.found.Load(); urls != nil {
		return urls, nil
	}
	read := e.inflight.DoChan("discovery", func() (any, error) {
		if urls := e.found.Load(); urls != nil {
			return urls, nil
		}
		// The waiters share it, so it ends by the client's timeout and not with the
		// context of the first one.
		urls, err := adapter.Contained(func() (*endpoints, error) { return e.discover(context.WithoutCancel(ctx)) })
		if err == nil {
			e.found.Store(urls)
		}

		return urls, err
	})
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("authzen: discovery: %w", ctx.Err())
	case result := <-read:
		if result.Err != nil {
			return nil, result.Err
		}
		urls, _ := result.Val.(*endpoints)

		return urls, nil
	}
}

// discover reads the server's metadata (AuthZEN §9). Its policy_decision_point must
// be exactly BaseURL.
func (e *Engine) discover(ctx context.Context) (*endpoints, error) {
	object, err := e.http.Get(ctx, e.base+discoveryPath)
	if err != nil {
		return nil, err
	}
	if object["policy_decision_point"] != e.base {
		return nil, misconfigured("discovery names another policy_decision_point than BaseURL")
	}
	evaluation, ok := object["access_evaluation_endpoint"].(string)
	if !ok || !httpapi.SameOrigin(e.base, evaluation) {
		return nil, misconfigured("discovery has no access_evaluation_endpoint of BaseURL's origin")
	}
	urls := &endpoints{evaluation: evaluation}
	if many, present := object["access_evaluations_endpoint"]; present && !e.config.SingleOnly {
		text, ok := many.(string)
		if !ok || !httpapi.SameOrigin(e.base, text) {
			return nil, misconfigured("discovery's access_evaluations_endpoint is not of BaseURL's origin")
		}
		urls.evaluations = text
	}

	return urls, nil
}

func misconfigured(text string) error {
	return &authz.EngineError{Kind: authz.EngineMisconfigured, Err: errors.New("authzen: " + text)}
}
