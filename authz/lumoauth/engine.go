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

// Engine is an [authz.Engine], [authz.PermissionEngine] and [authz.AttributeEngine] on
// LumoAuth. It is safe for concurrent use.
type Engine struct {
	config  Config
	subject string // the member that names the subject of a relation check

	checkURL, permissionsURL, attributesURL string
	// expandURL is empty if relations can't be expanded.
	expandURL string

	// Each API has a client of its own, so that a 429 of one stops only that one:
	// LumoAuth counts requests for attributes apart. Relation checks and permissions
	// have one limit. Clients that aren't used are nil.
	checks, attributes *httpapi.Client
	authzen            *authzen.Engine
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
	base, fault := config.check()
	e := &Engine{
		config: config, subject: "subject",
		checkURL: base + config.CheckPath, permissionsURL: base + config.PermissionsPath, attributesURL: base + config.AttributesPath,
	}
	if config.UserField {
		e.subject = "user"
	}
	if config.ExpandPath != "" {
		e.expandURL = base + config.ExpandPath
	}
	if fault != nil { // what it reports isn't reported again below
		config.BaseURL, config.TokenSource, config.APIKey = DefaultBaseURL, nil, nil
	}
	var err error
	e.authzen, err = authzen.New(authzen.Config{
		BaseURL: config.BaseURL, InsecureHTTP: config.InsecureHTTP,
		EvaluationPath: config.EvaluationPath, EvaluationsPath: config.EvaluationsPath,
		TokenSource: config.TokenSource, APIKey: config.APIKey, PermissionResource: config.PermissionResource,
		BatchSize: config.BatchSize, Parallelism: config.Parallelism, Timeout: config.Timeout, HTTPClient: config.HTTPClient,
	})
	if err != nil {
		err = fmt.Errorf("lumoauth: %w", err)
	}
	if err := errors.Join(fault, err); err != nil {
		return nil, err
	}
	// The other clients have the settings that authzen has checked.
	if !config.Evaluations || config.NativePermissions {
		if e.checks, err = config.client(); err != nil {
			return nil, err
		}
	}
	if config.NativeAttributes {
		if e.attributes, err = config.client(); err != nil {
			return nil, err
		}
	}

	return e, nil
}

func (c *Config) client() (*httpapi.Client, error) {
	return httpapi.New(httpapi.Config{
		Name: "lumoauth", HTTPClient: c.HTTPClient, TokenSource: c.TokenSource, APIKey: c.APIKey,
		Timeout: c.Timeout, Parallel: c.Parallelism,
	})
}

// Close closes idle connections, unless HTTPClient was set. Later checks open new
// connections.
func (e *Engine) Close() error {
	for _, client := range [...]*httpapi.Client{e.checks, e.attributes} {
		if client != nil {
			client.Close()
		}
	}

	return e.authzen.Close()
}

// ValidateQuery refuses, without I/O, what LumoAuth can't be asked: context in a
// relation check, wildcards, and types, ids and relations that hold a separator,
// white space or control characters, or are above 512 bytes. Where queries are sent as
// AuthZEN evaluations, it refuses what AuthZEN can't express, and where they go to the
// native endpoints, what those can't.
func (e *Engine) ValidateQuery(q authz.Query) error {
	switch q.Kind {
	case authz.QueryRelation:
		if e.config.Evaluations {
			return e.authzen.ValidateQuery(q)
		}
		if len(q.Context) > 0 {
			return misconfigured("a relation check takes no context: use Evaluations")
		}

		return httpapi.ValidateQuery("lumoauth", q, maxName)
	case authz.QueryPermission:
		if e.config.NativePermissions {
			return validatePermission(q)
		}

		return e.authzen.ValidateQuery(q)
	case authz.QueryAttributes:
		if e.config.NativeAttributes {
			return validateAttributes(q)
		}

		return e.authzen.ValidateQuery(q)
	default:
		return misconfigured("no query of kind " + q.Kind.String())
	}
}

// Check asks LumoAuth the batch's queries, which must be about relations. The answers
// have the queries' order and
// length. A query that is refused before it is sent (see [Engine.ValidateQuery]),
// or whose request failed while others were answered, has its own Err. Check
// returns an error only if no query of the batch was answered.
func (e *Engine) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	if e.config.Evaluations {
		return e.authzen.Check(ctx, batch)
	}
	if len(batch.Queries) == 0 {
		return authz.Result{}, nil
	}
	if batch.Consistency.Mode != authz.ModeMinimizeLatency {
		return authz.Result{}, misconfigured("a relation check has no consistency to ask for")
	}

	// One request for each distinct query, since LumoAuth limits requests.
	distinct := make([]question, 0, len(batch.Queries))
	subjects := make([]authz.Subject, 0, len(batch.Queries))
	seen := make(map[question]int, len(batch.Queries))
	place := make([]int, len(batch.Queries))
	answers := make([]authz.Answer, len(batch.Queries))
	for i, q := range batch.Queries {
		err := adapter.WrongKind("lumoauth", q, authz.QueryRelation)
		if err == nil {
			err = e.ValidateQuery(q)
		}
		if err != nil {
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
	err := adapter.Chunks(ctx, unique, 1, e.checks.Parallel(), func(ctx context.Context, lo, _ int) error {
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
	object, err := e.checks.Post(ctx, e.checkURL, subject, map[string]string{
		"object": q.object, "relation": q.relation, e.subject: q.subject,
	})
	if err != nil {
		return authz.EffectUnknown, err
	}
	if err := e.checks.Fault(object); err != nil {
		return authz.EffectUnknown, err
	}
	allowed, ok := object["allowed"].(bool)
	if !ok {
		return authz.EffectUnknown, e.checks.Unusable(errors.New("no verdict"))
	}
	// Servers name the subject in either of two members, whichever the request
	// used.
	for member, want := range map[string]string{"object": q.object, "relation": q.relation, "subject": q.subject, "user": q.subject} {
		if got, present := object[member]; present && got != want {
			return authz.EffectUnknown, e.checks.Unusable(fmt.Errorf("it is about another %s", member))
		}
	}
	if allowed {
		return authz.EffectAllowed, nil
	}

	return authz.EffectDenied, nil
}
