package spicedb

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/usher-auth/usher/authz"
	"github.com/usher-auth/usher/authz/internal/adapter"
)

// Client is the part of SpiceDB's API that the adapter uses.
// [v1.PermissionsServiceClient] and authzed-go's Client implement it. It must be
// safe for concurrent use.
type Client interface {
	CheckPermission(ctx context.Context, in *v1.CheckPermissionRequest, opts ...grpc.CallOption) (*v1.CheckPermissionResponse, error)
	CheckBulkPermissions(ctx context.Context, in *v1.CheckBulkPermissionsRequest, opts ...grpc.CallOption) (*v1.CheckBulkPermissionsResponse, error)
}

// Engine is an [authz.Engine] on SpiceDB. It starts no goroutine and needs no
// closing; the connection belongs to the caller of [New]. It is safe for concurrent
// use.
type Engine struct {
	client  Client
	schemas SchemaClient // nil if there is none
	encode  bool
	limits  adapter.Limits
}

var (
	_ authz.Engine   = (*Engine)(nil)
	_ authz.Combiner = (*Engine)(nil)
)

// New returns an engine. It does no I/O.
func New(config Config) (*Engine, error) {
	limits, err := config.limits()
	if err != nil {
		return nil, err
	}

	schemas := config.SchemaClient
	if schemas == nil {
		schemas, _ = config.Client.(SchemaClient)
	}

	return &Engine{client: config.Client, schemas: schemas, encode: config.EncodeIDs, limits: limits}, nil
}

// SupportsConsistency reports true for every mode.
func (e *Engine) SupportsConsistency(mode authz.Mode) bool { return mode <= authz.ModeFullyConsistent }

// HonorsContext reports true: a check waits for nothing but requests to SpiceDB, and for
// those no longer than its context lives; see [Config.Client].
func (e *Engine) HonorsContext() bool { return true }

// CombinesQueries returns Config.BatchSize: while SpiceDB is busy, what different calls
// ask at the same moment is asked in one request. The adapter reads nothing of a call's
// context but its end; a Client that does needs authz.Config.DisableCombining.
func (e *Engine) CombinesQueries() int { return e.limits.BatchSize }

// Check asks SpiceDB the batch's queries. The answers have the queries' order and
// length. A query that is refused (before it is sent, see [Engine.ValidateQuery],
// or by SpiceDB), or whose request failed while others were answered, has its own
// Err. Check returns an error only if nothing of the batch was answered.
func (e *Engine) Check(ctx context.Context, batch authz.Batch) (authz.Result, error) {
	if len(batch.Queries) == 0 {
		return authz.Result{}, nil
	}
	ctx = adapter.WithoutOutgoing(ctx)
	consistency, err := consistencyOf(batch.Consistency)
	if err != nil {
		return authz.Result{}, err
	}
	answers := make([]authz.Answer, len(batch.Queries))
	if len(batch.Queries) == 1 {
		at, err := e.checkOne(ctx, consistency, batch.Queries[0], &answers[0])

		return authz.Result{Answers: answers, CheckedAt: at}, err
	}

	// The first request determines the snapshot, at which the others are asked.
	first := min(e.limits.BatchSize, len(answers))
	at, err := e.checkMany(ctx, consistency, batch.Queries[:first], answers[:first])
	if err != nil {
		adapter.Fail(answers, err)

		return authz.Result{Answers: answers}, err
	}
	if at != "" {
		consistency = &v1.Consistency{Requirement: &v1.Consistency_AtExactSnapshot{AtExactSnapshot: &v1.ZedToken{Token: string(at)}}}
	}
	rest, restAnswers := batch.Queries[first:], answers[first:]
	// One request was answered, so the failure of another is in its answers only.
	_ = adapter.Chunks(ctx, restAnswers, e.limits.BatchSize, e.limits.Parallelism, func(ctx context.Context, lo, hi int) error {
		_, err := e.checkMany(ctx, consistency, rest[lo:hi], restAnswers[lo:hi])

		return err
	})

	return authz.Result{Answers: answers, CheckedAt: at}, nil
}

// checkOne sends one CheckPermission. If the query is refused before it is sent,
// the fault is set in the answer; the error is SpiceDB's.
func (e *Engine) checkOne(ctx context.Context, consistency *v1.Consistency, q authz.Query, answer *authz.Answer) (authz.Revision, error) {
	item, err := e.item(q)
	if err != nil {
		answer.Err = err

		return "", nil
	}
	request, cancel := adapter.WithTimeout(ctx, e.limits.Timeout)
	defer cancel()
	response, err := e.client.CheckPermission(request, &v1.CheckPermissionRequest{
		Consistency: consistency, Resource: item.GetResource(), Permission: item.GetPermission(),
		Subject: item.GetSubject(), Context: item.GetContext(),
	})
	if err != nil {
		return "", classify(ctx, "CheckPermission", consistency, err)
	}
	*answer = answerOf(response.GetPermissionship(), response.GetPartialCaveatInfo())

	return authz.Revision(response.GetCheckedAt().GetToken()), nil
}

// checkMany sends one CheckBulkPermissions for queries that fit in it.
func (e *Engine) checkMany(ctx context.Context, consistency *v1.Consistency, queries []authz.Query, answers []authz.Answer) (authz.Revision, error) {
	items := make([]*v1.CheckBulkPermissionsRequestItem, 0, len(queries))
	places := make([]int, 0, len(queries))
	for i, q := range queries {
		item, err := e.item(q)
		if err != nil {
			answers[i].Err = err

			continue
		}
		items = append(items, item)
		places = append(places, i)
	}
	if len(items) == 0 {
		return "", nil
	}

	request, cancel := adapter.WithTimeout(ctx, e.limits.Timeout)
	defer cancel()
	response, err := e.client.CheckBulkPermissions(request, &v1.CheckBulkPermissionsRequest{Consistency: consistency, Items: items})
	if err != nil {
		return "", classify(ctx, "CheckBulkPermissions", consistency, err)
	}
	pairs := response.GetPairs()
	if len(pairs) != len(items) {
		return "", unusable(fmt.Errorf("%d pairs to %d checks", len(pairs), len(items)))
	}
	for i, pair := range pairs {
		if !sameItem(pair.GetRequest(), items[i]) {
			return "", unusable(errors.New("a pair that isn't the question in its place"))
		}
	}
	for i, pair := range pairs {
		answers[places[i]] = pairAnswer(pair)
	}

	return authz.Revision(response.GetCheckedAt().GetToken()), nil
}

func pairAnswer(pair *v1.CheckBulkPermissionsPair) authz.Answer {
	switch r := pair.GetResponse().(type) {
	case *v1.CheckBulkPermissionsPair_Item:
		return answerOf(r.Item.GetPermissionship(), r.Item.GetPartialCaveatInfo())
	case *v1.CheckBulkPermissionsPair_Error:
		return authz.Answer{Err: statusFault("CheckBulkPermissions", r.Error)}
	default:
		return authz.Answer{Err: unusable(errors.New("a pair without a result"))}
	}
}

func answerOf(permissionship v1.CheckPermissionResponse_Permissionship, partial *v1.PartialCaveatInfo) authz.Answer {
	switch permissionship {
	case v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION:
		if len(partial.GetMissingRequiredContext()) > 0 {
			return authz.Answer{Err: unusable(errors.New("a grant that lacks context"))}
		}

		return authz.Answer{Effect: authz.EffectAllowed}
	case v1.CheckPermissionResponse_PERMISSIONSHIP_NO_PERMISSION:
		return authz.Answer{Effect: authz.EffectDenied}
	case v1.CheckPermissionResponse_PERMISSIONSHIP_CONDITIONAL_PERMISSION:
		return authz.Answer{Effect: authz.EffectConditional, Missing: partial.GetMissingRequiredContext()}
	case v1.CheckPermissionResponse_PERMISSIONSHIP_UNSPECIFIED:
		return authz.Answer{Err: unusable(errors.New("a check without a result"))}
	default:
		return authz.Answer{Err: unusable(errors.New("a result that nobody knows"))}
	}
}

// sameItem reports whether an answer is about what was asked.
func sameItem(a, b *v1.CheckBulkPermissionsRequestItem) bool {
	return sameObject(a.GetResource(), b.GetResource()) && a.GetPermission() == b.GetPermission() &&
		sameObject(a.GetSubject().GetObject(), b.GetSubject().GetObject()) &&
		a.GetSubject().GetOptionalRelation() == b.GetSubject().GetOptionalRelation() &&
		sameContext(a.GetContext(), b.GetContext())
}

func sameObject(a, b *v1.ObjectReference) bool {
	return a.GetObjectId() == b.GetObjectId() && a.GetObjectType() == b.GetObjectType()
}

func sameContext(a, b *structpb.Struct) bool {
	return len(a.GetFields()) == len(b.GetFields()) && (len(a.GetFields()) == 0 || proto.Equal(a, b))
}

func (e *Engine) item(q authz.Query) (*v1.CheckBulkPermissionsRequestItem, error) {
	if e.encode {
		q.Object.ID, q.Subject.ID = EncodeID(q.Object.ID), EncodeID(q.Subject.ID)
	}
	if err := validate(q); err != nil {
		return nil, err
	}
	caveatContext, err := adapter.Struct(q.Context)
	if err != nil {
		return nil, &authz.EngineError{Kind: authz.EngineMisconfigured, Err: fmt.Errorf("spicedb: context %w", err)}
	}

	return &v1.CheckBulkPermissionsRequestItem{
		Resource:   &v1.ObjectReference{ObjectType: q.Object.Type, ObjectId: q.Object.ID},
		Permission: q.Relation,
		Subject: &v1.SubjectReference{
			Object:           &v1.ObjectReference{ObjectType: q.Subject.Type, ObjectId: q.Subject.ID},
			OptionalRelation: q.Subject.Relation,
		},
		Context: caveatContext,
	}, nil
}
