package openfga

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"golang.org/x/sync/singleflight"
	"google.golang.org/grpc"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/adapter"
)

// Client is the part of OpenFGA's gRPC API that the adapter uses.
// [openfgav1.OpenFGAServiceClient] implements it. It must be safe for concurrent
// use.
type Client interface {
	Check(ctx context.Context, in *openfgav1.CheckRequest, opts ...grpc.CallOption) (*openfgav1.CheckResponse, error)
	BatchCheck(ctx context.Context, in *openfgav1.BatchCheckRequest, opts ...grpc.CallOption) (*openfgav1.BatchCheckResponse, error)
	ReadAuthorizationModel(ctx context.Context, in *openfgav1.ReadAuthorizationModelRequest, opts ...grpc.CallOption) (*openfgav1.ReadAuthorizationModelResponse, error)
	ReadAuthorizationModels(ctx context.Context, in *openfgav1.ReadAuthorizationModelsRequest, opts ...grpc.CallOption) (*openfgav1.ReadAuthorizationModelsResponse, error)
}

// Engine is an [authz.Engine] on one OpenFGA store and one model of it. It starts
// no goroutine and needs no closing; the connection belongs to the caller of [New].
// It is safe for concurrent use.
type Engine struct {
	client     Client
	storeID    string
	modelID    string // "" until the newest is read, see pinned
	contextual func(authz.Query) ([]*openfgav1.TupleKey, error)
	limits     adapter.Limits
	model      atomic.Pointer[model]
	inflight   singleflight.Group
}

var _ authz.Engine = (*Engine)(nil)

// New returns an engine. It does no I/O.
func New(config Config) (*Engine, error) {
	limits, err := config.limits()
	if err != nil {
		return nil, err
	}

	return &Engine{
		client: config.Client, storeID: config.StoreID, modelID: config.ModelID, contextual: config.ContextualTuples, limits: limits,
	}, nil
}

// SupportsConsistency reports true for every mode; see the package's documentation
// for what OpenFGA does in each.
func (e *Engine) SupportsConsistency(mode authz.Mode) bool { return mode <= authz.ModeFullyConsistent }

// HonorsContext reports true: a check waits for nothing but requests to OpenFGA, and
// for those no longer than its context lives; see [Config.Client].
func (e *Engine) HonorsContext() bool { return true }

// Ready reads the model. A nil error means that the store accepts our credentials
// and has the model. Calling it is optional: the first check reads what it needs
// itself.
func (e *Engine) Ready(ctx context.Context) error {
	_, err := e.schema(ctx)

	return err
}

// Check asks OpenFGA the batch's queries. The answers have the queries' order and
// length. A query that is refused before it is sent (see [Engine.ValidateQuery]),
// or whose request failed while others were answered, has its own Err. Check
// returns an error only if no query of the batch was answered.
func (e *Engine) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	if len(batch.Queries) == 0 {
		return authz.Result{}, nil
	}
	ctx = adapter.WithoutOutgoing(ctx)
	modelID, err := e.pinned(ctx)
	if err != nil {
		return authz.Result{}, err
	}

	consistency := openfgav1.ConsistencyPreference_UNSPECIFIED
	if batch.Consistency.Mode != authz.ModeMinimizeLatency {
		consistency = openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY
	}
	answers := make([]authz.Answer, len(batch.Queries))
	if len(batch.Queries) == 1 {
		err := e.checkOne(ctx, modelID, consistency, batch.Queries[0], &answers[0])

		return authz.Result{Answers: answers}, err
	}

	err = adapter.Chunks(ctx, answers, e.limits.BatchSize, e.limits.Parallelism, func(ctx context.Context, lo, hi int) error {
		return e.checkMany(ctx, modelID, consistency, batch.Queries[lo:hi], answers[lo:hi])
	})

	return authz.Result{Answers: answers}, err
}

// checkOne sends one Check. A fault of the query itself is set in the answer; the
// error is for a fault that isn't about the query.
func (e *Engine) checkOne(ctx context.Context, modelID string, consistency openfgav1.ConsistencyPreference, q authz.Query, answer *authz.Answer) error {
	item, err := e.item(q)
	if err != nil {
		answer.Err = err

		return nil
	}
	request, cancel := adapter.WithTimeout(ctx, e.limits.Timeout)
	defer cancel()
	response, err := e.client.Check(request, &openfgav1.CheckRequest{
		StoreId: e.storeID, AuthorizationModelId: modelID, Consistency: consistency,
		TupleKey: item.GetTupleKey(), Context: item.GetContext(), ContextualTuples: item.GetContextualTuples(),
	})
	if err != nil {
		fault := classify(ctx, "Check", err)
		if aboutQuery(fault) {
			*answer = e.explain(ctx, q, fault)

			return nil
		}

		return fault
	}
	if response == nil {
		return unusable("Check", errors.New("nothing"))
	}
	answer.Effect = effect(response.GetAllowed())

	return nil
}

// checkMany sends one BatchCheck for queries that fit in it.
func (e *Engine) checkMany(ctx context.Context, modelID string, consistency openfgav1.ConsistencyPreference, queries []authz.Query, answers []authz.Answer) error {
	items := make([]*openfgav1.BatchCheckItem, 0, len(queries))
	for i, q := range queries {
		item, err := e.item(q)
		if err != nil {
			answers[i].Err = err

			continue
		}
		item.CorrelationId = strconv.Itoa(i)
		items = append(items, item)
	}
	if len(items) == 0 {
		return nil
	}

	request, cancel := adapter.WithTimeout(ctx, e.limits.Timeout)
	defer cancel()
	response, err := e.client.BatchCheck(request, &openfgav1.BatchCheckRequest{
		StoreId: e.storeID, AuthorizationModelId: modelID, Consistency: consistency, Checks: items,
	})
	if err != nil {
		return classify(ctx, "BatchCheck", err)
	}

	results := response.GetResult()
	if len(results) != len(items) {
		return unusable("BatchCheck", fmt.Errorf("%d answers to %d checks", len(results), len(items)))
	}
	for i := range queries {
		if answers[i].Err != nil {
			continue
		}
		result, ok := results[strconv.Itoa(i)]
		if !ok {
			// There are as many answers as checks, yet one is missing: some answer
			// has the wrong name, and it is unknown which of the others are right.
			return unusable("BatchCheck", errors.New("an answer that was not asked for"))
		}
		answers[i] = e.answer(ctx, modelID, consistency, queries[i], result)
	}

	return nil
}

// answer reads one result of a batch. A result that is neither allowed nor an error
// is unknown.
func (e *Engine) answer(ctx context.Context, modelID string, consistency openfgav1.ConsistencyPreference, q authz.Query, result *openfgav1.BatchCheckSingleResult) authz.Answer {
	switch r := result.GetCheckResult().(type) {
	case *openfgav1.BatchCheckSingleResult_Allowed:
		return authz.Answer{Effect: effect(r.Allowed)}
	case *openfgav1.BatchCheckSingleResult_Error:
		fault := checkError(r.Error)
		if !aboutQuery(fault) {
			return authz.Answer{Err: fault}
		}
		answer := e.explain(ctx, q, fault)
		if answer.Effect == authz.EffectConditional {
			return answer
		}
		// BatchCheck has one code for throttling, bad context and an unknown
		// relation, while Check has one for each. So the failed item, which is
		// rare, is asked once more alone.
		var single authz.Answer
		if err := e.checkOne(ctx, modelID, consistency, q, &single); err != nil {
			return authz.Answer{Err: err}
		}

		return single
	default:
		return authz.Answer{Err: unusable("BatchCheck", errors.New("an answer without a result"))}
	}
}

func (e *Engine) item(q authz.Query) (*openfgav1.BatchCheckItem, error) {
	if err := e.ValidateQuery(q); err != nil {
		return nil, err
	}
	reqContext, err := adapter.Struct(q.Context)
	if err != nil {
		return nil, &authz.EngineError{Kind: authz.EngineMisconfigured, Err: fmt.Errorf("openfga: context %w", err)}
	}
	item := &openfgav1.BatchCheckItem{
		TupleKey: &openfgav1.CheckRequestTupleKey{Object: q.Object.String(), Relation: q.Relation, User: q.Subject.String()},
		Context:  reqContext,
	}
	if e.contextual != nil {
		tuples, err := e.contextual(q)
		if err != nil {
			return nil, &authz.EngineError{Kind: authz.EngineMisconfigured, Err: fmt.Errorf("openfga: contextual tuples: %w", err)}
		}
		if len(tuples) > 0 {
			item.ContextualTuples = &openfgav1.ContextualTupleKeys{TupleKeys: tuples}
		}
	}

	return item, nil
}

func effect(allowed bool) authz.Effect {
	if allowed {
		return authz.EffectAllowed
	}

	return authz.EffectDenied
}
