package lumoauth

import (
	"context"
	"errors"
	"fmt"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/authzen"
	"github.com/usher-auth/usher/authz/internal/adapter"
	"github.com/usher-auth/usher/authz/internal/httpapi"
)

// maxName bounds types, ids and relations, in bytes. LumoAuth documents no limit;
// this one keeps a request small.
const maxName = 512

// Engine is an [authz.Engine] on LumoAuth. It is safe for concurrent use.
type Engine struct {
	checkURL string
	subject  string // the member that names the subject
	http     *httpapi.Client
	authzen  *authzen.Engine // nil without Evaluations
}

var _ authz.Engine = (*Engine)(nil)

// New returns an engine, or an error that joins all faults of the configuration. It
// does no I/O.
func New(config Config) (*Engine, error) {
	base, fault := config.check()
	e := &Engine{checkURL: base + config.CheckPath, subject: "subject"}
	if config.UserField {
		e.subject = "user"
	}
	tokens, key := config.TokenSource, config.APIKey
	if fault != nil { // what it reports isn't reported again below
		config.BaseURL, tokens, key = DefaultBaseURL, nil, nil
	}
	var err error
	if config.Evaluations {
		e.authzen, err = authzen.New(authzen.Config{
			BaseURL: config.BaseURL, InsecureHTTP: config.InsecureHTTP,
			EvaluationPath: config.EvaluationPath, EvaluationsPath: config.EvaluationsPath,
			TokenSource: tokens, APIKey: key,
			BatchSize: config.BatchSize, Parallelism: config.Parallelism, Timeout: config.Timeout, HTTPClient: config.HTTPClient,
		})
		if err != nil {
			err = fmt.Errorf("lumoauth: %w", err)
		}
	} else {
		e.http, err = httpapi.New(httpapi.Config{
			Name: "lumoauth", HTTPClient: config.HTTPClient, TokenSource: tokens, APIKey: key,
			Timeout: config.Timeout, Parallel: config.Parallelism,
		})
	}
	if err := errors.Join(fault, err); err != nil {
		return nil, err
	}

	return e, nil
}

// Close closes idle connections, unless HTTPClient was set. Later checks open new
// connections.
func (e *Engine) Close() error {
	if e.authzen != nil {
		return e.authzen.Close()
	}
	e.http.Close()

	return nil
}

// ValidateQuery refuses, without I/O, what LumoAuth can't be asked: context in a
// relation check, wildcards, and types, ids and relations that hold a separator,
// white space or control characters, or are above 512 bytes. With
// [Config.Evaluations], it refuses what AuthZEN can't express.
func (e *Engine) ValidateQuery(q authz.Query) error {
	if e.authzen != nil {
		return e.authzen.ValidateQuery(q)
	}
	if len(q.Context) > 0 {
		return &authz.EngineError{Kind: authz.EngineMisconfigured, Err: errors.New("lumoauth: a relation check takes no context: use Evaluations")}
	}

	return httpapi.ValidateQuery("lumoauth", q, maxName)
}

// Check asks LumoAuth the batch's queries. The answers have the queries' order and
// length. A query that is refused before it is sent (see [Engine.ValidateQuery]),
// or whose request failed while others were answered, has its own Err. Check
// returns an error only if no query of the batch was answered.
func (e *Engine) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	if e.authzen != nil {
		return e.authzen.Check(ctx, batch)
	}
	if len(batch.Queries) == 0 {
		return authz.Result{}, nil
	}
	if batch.Consistency.Mode != authz.ModeMinimizeLatency {
		return authz.Result{}, &authz.EngineError{Kind: authz.EngineMisconfigured, Err: errors.New("lumoauth: a relation check has no consistency to ask for")}
	}

	// One request for each distinct query, since LumoAuth limits requests.
	distinct := make([]question, 0, len(batch.Queries))
	subjects := make([]authz.Subject, 0, len(batch.Queries))
	seen := make(map[question]int, len(batch.Queries))
	place := make([]int, len(batch.Queries))
	answers := make([]authz.Answer, len(batch.Queries))
	for i, q := range batch.Queries {
		if err := e.ValidateQuery(q); err != nil {
			place[i], answers[i].Err = -1, err

			continue
		}
		asked := question{object: q.Object.String(), relation: q.Relation, subject: q.Subject.String()}
		at, ok := seen[asked]
		if !ok {
			at = len(distinct)
			seen[asked] = at
			distinct = append(distinct, asked)
			subjects = append(subjects, q.Subject)
		}
		place[i] = at
	}

	unique := make([]authz.Answer, len(distinct))
	err := adapter.Chunks(ctx, unique, 1, e.http.Parallel(), func(ctx context.Context, lo, _ int) error {
		effect, err := e.ask(ctx, distinct[lo], subjects[lo])
		unique[lo].Effect = effect

		return err
	})
	for i, at := range place {
		if at >= 0 {
			answers[i] = unique[at]
		}
	}
	return authz.Result{Answers: answers}, err
}

type question struct{ object, relation, subject string }

// ask sends one relation check.
func (e *Engine) ask(ctx context.Context, q question, subject authz.Subject) (authz.Effect, error) {
	object, err := e.http.Post(ctx, e.checkURL, subject, map[string]string{
		"object": q.object, "relation": q.relation, e.subject: q.subject,
	})
	if err != nil {
		return authz.EffectUnknown, err
	}
	if err := e.http.Fault(object); err != nil {
		return authz.EffectUnknown, err
	}
	allowed, ok := object["allowed"].(bool)
	if !ok {
		return authz.EffectUnknown, e.http.Unusable(errors.New("no verdict"))
	}
	// Servers name the subject in either of two members, whichever the request
	// used.
	for member, want := range map[string]string{"object": q.object, "relation": q.relation, "subject": q.subject, "user": q.subject} {
		if got, present := object[member]; present && got != want {
			return authz.EffectUnknown, e.http.Unusable(fmt.Errorf("it is about another %s", member))
		}
	}
	if allowed {
		return authz.EffectAllowed, nil
	}

	return authz.EffectDenied, nil
}
