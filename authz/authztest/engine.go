package authztest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/adapter"
)

// Engine is an [authz.Engine] over a list of tuples in memory. It is only for tests:
// it isn't indexed, isn't persistent, and walks every tuple at each query. It
// follows usersets (a tuple whose subject is team:a#member), and with a [Model] also
// relations that are computed from others. It also answers permissions, by
// [Engine.Grant], and attributes, by [Engine.SetPolicy]. It is safe for concurrent use.
type Engine struct {
	mu          sync.RWMutex
	tuples      []Tuple
	model       Model
	permissions []Permission
	policy      Policy
	revision    int
	asked       []authz.Batch
	err         error
}

var (
	_ authz.Engine           = (*Engine)(nil)
	_ authz.PermissionEngine = (*Engine)(nil)
	_ authz.AttributeEngine  = (*Engine)(nil)
)

// Model has the rewrites of relations, by type and relation. Without a model, queries
// may use every type and relation, and only tuples grant.
type Model map[string]map[string]Rewrite

// Rewrite is how a relation of a type is computed. The zero value grants by
// tuples of the relation itself.
type Rewrite struct {
	// Union lists relations of the same object that imply this one.
	Union []string
	// Through lists relations of other objects that imply this one, as in
	// "parent->view": view of the object that is this object's parent.
	Through []string
	// Except names a relation of the same object that excludes this one.
	Except string
	// Conditions maps the name of a condition to the context value that must be
	// true for it.
	Conditions map[string]string
}

// NewEngine returns an engine without a model that holds the tuples, each as in
// "document:1#viewer@user:alice". It panics on a text that isn't a tuple.
func NewEngine(tuples ...string) *Engine {
	return &Engine{tuples: MustTuples(tuples...)}
}

// NewModelEngine returns an empty engine with a model. It panics on a malformed
// Through.
func NewModelEngine(model Model) *Engine {
	for name, relations := range model {
		for relation, rewrite := range relations {
			for _, through := range rewrite.Through {
				if via, implied, ok := strings.Cut(through, arrow); !ok || via == "" || implied == "" {
					panic(fmt.Sprintf("authztest: %s#%s is through %q, which isn't relation->relation", name, relation, through))
				}
			}
		}
	}

	return &Engine{model: model}
}

// arrow separates, in a Through, a relation from the relation of the other object.
const arrow = "->"

// Write adds tuples and returns the revision that has them. It is a [Writer].
func (e *Engine) Write(_ context.Context, tuples ...Tuple) (authz.Revision, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, tuple := range tuples {
		if !slices.Contains(e.tuples, tuple) {
			e.tuples = append(e.tuples, tuple)
		}
	}
	e.revision++

	return e.at(), nil
}

// Delete removes tuples and returns the revision that lacks them.
func (e *Engine) Delete(_ context.Context, tuples ...Tuple) (authz.Revision, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tuples = slices.DeleteFunc(e.tuples, func(tuple Tuple) bool { return slices.Contains(tuples, tuple) })
	e.revision++

	return e.at(), nil
}

// Fail makes every check fail with err until Fail(nil), as if the engine were down.
func (e *Engine) Fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err = err
}

// Asked returns the batches that the engine got so far, of every kind.
func (e *Engine) Asked() []authz.Batch {
	e.mu.RLock()
	defer e.mu.RUnlock()

	return slices.Clone(e.asked)
}

func (e *Engine) at() authz.Revision { return authz.Revision("r" + strconv.Itoa(e.revision)) }

// SupportsConsistency returns true for every mode, since the engine is always fully
// consistent.
func (e *Engine) SupportsConsistency(authz.Mode) bool { return true }

// Check decides queries about relations, by the tuples.
func (e *Engine) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	return e.decide(ctx, batch, authz.QueryRelation, e.answer)
}

// decide answers the queries of one kind, holding the engine's lock.
func (e *Engine) decide(ctx context.Context, batch authz.Batch, kind authz.QueryKind, answer func(authz.Query) authz.Answer) (authz.Result, error) {
	if err := ctx.Err(); err != nil {
		return authz.Result{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, batch)
	if e.err != nil {
		return authz.Result{}, e.err
	}
	if err := e.knows(batch.Consistency); err != nil {
		return authz.Result{}, err
	}
	result := authz.Result{Answers: make([]authz.Answer, len(batch.Queries)), CheckedAt: e.at()}
	for i, query := range batch.Queries {
		err := adapter.WrongKind("authztest", query, kind)
		if err == nil {
			err = wildcard(query)
		}
		if err != nil {
			result.Answers[i].Err = err

			continue
		}
		result.Answers[i] = answer(query)
	}

	return result, nil
}

func (e *Engine) knows(consistency authz.Consistency) error {
	if consistency.Mode != authz.ModeAtLeastAsFresh {
		return nil
	}
	var revision int
	if _, err := fmt.Sscanf(string(consistency.Revision), "r%d", &revision); err != nil || revision > e.revision {
		return &authz.EngineError{Kind: authz.EngineBadRevision, Err: errors.New("no such revision")}
	}

	return nil
}

func (e *Engine) answer(query authz.Query) authz.Answer {
	if err := e.known(query); err != nil {
		return authz.Answer{Err: err}
	}

	return e.answerBy(&walk{engine: e, context: query.Context, subject: query.Subject}, query)
}

func (e *Engine) answerBy(walk *walk, query authz.Query) authz.Answer {
	switch effect := walk.has(query.Object, query.Relation, 0); {
	case walk.deep:
		return authz.Answer{Err: &authz.EngineError{Kind: authz.EngineUnavailable, Err: errors.New("relations nest too deep")}}
	case effect == authz.EffectConditional:
		return authz.Answer{Effect: effect, Missing: walk.missing}
	default:
		return authz.Answer{Effect: effect}
	}
}

func wildcard(query authz.Query) error {
	if query.Subject.ID == "*" {
		return &authz.EngineError{Kind: authz.EngineBadSubject, Err: errors.New("a wildcard isn't a subject")}
	}
	if query.Object.ID == "*" {
		return &authz.EngineError{Kind: authz.EngineBadRequest, Err: errors.New("a wildcard isn't an object")}
	}

	return nil
}

func (e *Engine) known(query authz.Query) error {
	if e.model == nil {
		return nil
	}
	relations, known := e.model[query.Object.Type]
	if !known {
		return &authz.EngineError{Kind: authz.EngineMisconfigured, Err: fmt.Errorf("no type %q", query.Object.Type)}
	}
	if _, known := relations[query.Relation]; !known {
		return &authz.EngineError{Kind: authz.EngineMisconfigured, Err: fmt.Errorf("type %q has no relation %q", query.Object.Type, query.Relation)}
	}
	if _, known := e.model[query.Subject.Type]; !known {
		return &authz.EngineError{Kind: authz.EngineMisconfigured, Err: fmt.Errorf("no type %q", query.Subject.Type)}
	}

	return nil
}
